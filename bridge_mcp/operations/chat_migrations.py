"""Chats that got another id on their platform: the conversation keeps the first one, messages go to the last one."""

from __future__ import annotations

from bridge_mcp.core.address import Address
from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import Board

__all__ = ["current", "home", "move"]


async def home(board: Board, channel: str, target: str) -> str:
    """The chat as conversations and pairings know it, its thread included."""
    moved = await known(board, channel)
    address = Address.on(channel, target)
    first = next((first for first, last in moved.items() if last == address.chat), address.chat)
    return address._replace(chat=first).target


async def current(board: Board, address: Address) -> str:
    """The target that the platform knows the chat by now, its thread included."""
    moved = await known(board, address.channel)
    return address._replace(chat=moved.get(address.chat, address.chat)).target


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
