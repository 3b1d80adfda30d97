"""Ports of the store: what is kept of a platform's side of a channel, which no log tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from msgspec import Struct

__all__ = ["ChannelOffset", "ChannelState", "FirstMessage"]


class ChannelOffset(NamedTuple):
    """How far a channel has read its platform's stream of updates."""

    channel: str
    offset: int


class FirstMessage(Struct, frozen=True):
    """What a stranger wrote last, kept until they are let in or their code has expired."""

    channel: str
    subject: str
    """The chat without its topic: what is paired."""
    chat: str
    at: float
    bare: str = ""
    """The text without what addresses the bot."""
    topic: str = ""
    heard: str = ""
    """The message as an entry (`core.codec`); "" for a command, which was refused and stays so."""


class ChannelState(Protocol):
    """Kept for all processes. Each write is a transaction of its own, and none where nothing changes."""

    async def offset(self, channel: str) -> int | None:
        """The offset that was set last; None at first."""
        ...

    async def set_offset(self, position: ChannelOffset) -> None:
        """Set it, higher or lower. Beside entries, `LogStore.record` sets it in their transaction."""
        ...

    async def move_chat(self, channel: str, chat: str, to: str) -> None:
        """A chat has another id on its platform from now on. Twice the same is once."""
        ...

    async def first_chat_id(self, channel: str, chat: str) -> str:
        """The id that a chat had before it moved, however often it did; the same for one that never did."""
        ...

    async def current_chat_id(self, channel: str, chat: str) -> str:
        """The id that the chat with this first id has now."""
        ...

    async def topic_title(self, channel: str, chat: str) -> str:
        """The title of a topic, `chat` being `chat_id/thread_id`; "" where none was told."""
        ...

    async def set_topic_title(self, channel: str, chat: str, title: str, *, at_most: int) -> None:
        """Keep it. Of more than `at_most` topics of the channel, the one that was set longest ago is forgotten."""
        ...

    async def keep_first_message(self, message: FirstMessage, *, at_most: int) -> None:
        """Keep it in place of an older one of that subject. Of more than `at_most` of the channel the oldest goes."""
        ...

    async def first_message(self, channel: str, subject: str) -> FirstMessage | None:
        """The message that is kept of this subject; None for none."""
        ...

    async def forget_first_message(self, channel: str, subject: str) -> None:
        """Forgetting one that is not there is fine."""

    async def set_undelivered(self, conversation: str, reason: str, *, at_most: int) -> None:
        """The last message to this conversation did not go out. Of more than `at_most` the oldest is forgotten."""
        ...

    async def clear_undelivered(self, conversation: str) -> None:
        """A message went out there."""
        ...

    async def undelivered(self) -> Mapping[str, str]:
        """Why the last message did not go out, by conversation; the oldest first."""
        ...
