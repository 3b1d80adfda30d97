"""Chats that got another id on their platform: the conversation keeps the first one, messages go to the last one."""

from __future__ import annotations

from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import Board

__all__ = ["current", "home", "move"]


async def home(board: Board, channel: str, chat: str) -> str:
    """The chat as conversations and pairings know it, its thread included."""
    moved = await known(board, channel)
    if not moved:
        return chat
    number, slash, thread = chat.partition("/")
    return next((first for first, last in moved.items() if last == number), number) + slash + thread


async def current(board: Board, channel: str, chat: str) -> str:
    """The chat as its platform knows it now, its thread included."""
    number, slash, thread = chat.partition("/")
    return (await known(board, channel)).get(number, number) + slash + thread


async def move(board: Board, channel: str, chat: str, to: str) -> None:
    """Note that a chat has another id from now on. Twice the same is once."""
    moved: dict[str, JSON] = {**await known(board, channel)}
    first = await home(board, channel, chat)
    if to != first and moved.get(first) != to:
        await board.put(f"moved:{channel}", {**moved, first: to})


async def known(board: Board, channel: str) -> dict[str, str]:
    """From the first id of each moved chat to its last one."""
    body = await board.get(f"moved:{channel}")
    return {first: str(last) for first, last in body.items()} if isinstance(body, dict) else {}
