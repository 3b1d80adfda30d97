"""Titles of topics: platforms send one when it is set, and seldom again, so they are stored."""

from __future__ import annotations

from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import Topic
from bridge_mcp.ports import ChannelState

__all__ = ["full_title", "note", "store_topic_title"]

MAX_TITLES = 2_000
"""Titles that are kept for one channel; the one that was set longest ago is dropped first."""
BETWEEN = " › "


async def note(state: ChannelState, channel: str, chat: str, title: str) -> None:
    """Store the title of a topic; `chat` is `chat_id/thread_id`."""
    await state.set_topic_title(channel, chat, title, at_most=MAX_TITLES)


async def store_topic_title(state: ChannelState, address: Address, topic: Topic, platform_ids: tuple[str, ...]) -> None:
    """Store the title of a topic that the bridge made (its thread is `platform_ids`) or changed itself."""
    thread = platform_ids[0] if topic.new and platform_ids else address.thread
    if thread and topic.name:
        await note(state, address.channel, address._replace(thread=thread).target, topic.name)


async def full_title(state: ChannelState, channel: str, chat: str, title: str, topic: str) -> str:
    """The title of a chat; in a topic with the topic's title, from this message (`topic`) or stored."""
    if "/" not in chat:
        return title
    if topic:
        await note(state, channel, chat, topic)
    name = topic or await state.topic_title(channel, chat)
    return f"{title}{BETWEEN}{name}" if name else title
