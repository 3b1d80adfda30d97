"""The titles of topics: a platform tells one when it is given, and seldom again, so they are kept."""

from __future__ import annotations

from bridge_mcp.ports import ChannelState

__all__ = ["note", "titled"]

MAX_TITLES = 2_000
"""Topics of one channel whose titles are kept; the one that was set longest ago goes first."""
BETWEEN = " › "


async def note(state: ChannelState, channel: str, chat: str, title: str) -> None:
    """Keep the title of a topic, `chat` being `chat_id/thread_id`."""
    await state.set_topic_title(channel, chat, title, at_most=MAX_TITLES)


async def titled(state: ChannelState, channel: str, chat: str, title: str, topic: str) -> str:
    """The title of a chat; in a topic with that one's title, be it told now (`topic`) or before."""
    if "/" not in chat:
        return title
    if topic:
        await note(state, channel, chat, topic)
    name = topic or await state.topic_title(channel, chat)
    return f"{title}{BETWEEN}{name}" if name else title
