"""The names of topics: a platform tells one when it is given, and seldom again, so they are kept."""

from __future__ import annotations

from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import Board

__all__ = ["note", "titled"]

MAX_TITLES = 2_000
"""Topics of one channel whose names are kept; the one named longest ago goes first."""
BETWEEN = " › "


async def note(board: Board, channel: str, chat: str, name: str) -> None:
    """Keep the name of a topic, `chat` being `chat_id/thread_id`."""
    names = await known(board, channel)
    names.pop(chat, None)
    names[chat] = name
    await board.put(key(channel), dict(list(names.items())[-MAX_TITLES:]))


async def titled(board: Board, channel: str, chat: str, title: str, topic: str) -> str:
    """The title of a chat; in a topic with that one's name, be it told now (`topic`) or before."""
    if "/" not in chat:
        return title
    names = await known(board, channel)
    if topic and names.get(chat) != topic:
        await note(board, channel, chat, topic)
    name = topic or str(names.get(chat) or "")
    return f"{title}{BETWEEN}{name}" if name else title


async def known(board: Board, channel: str) -> dict[str, JSON]:
    found = await board.get(key(channel))
    return dict(found) if isinstance(found, dict) else {}


def key(channel: str) -> str:
    return f"topics:{channel}"
