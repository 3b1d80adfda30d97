"""Port of the store: the state of a platform's side of a channel, which is in no log."""

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
    """The last message of a stranger, kept until they are paired or their code expires."""

    channel: str
    subject: str
    """The chat without its topic, which is what gets paired."""
    chat: str
    at: float
    bare: str = ""
    """The text without what addresses the bot."""
    topic: str = ""
    heard: str = ""
    """The message as an entry (`core.codec`); "" for a command, which was refused and stays so."""


class ChannelState(Protocol):
    """State of channels, shared by all processes. Each write is a transaction; without a change there is none."""

    async def offset(self, channel: str) -> int | None:
        """Return the offset that was set last; None if none was."""
        ...

    async def set_offset(self, position: ChannelOffset) -> None:
        """Set the offset, higher or lower. `LogStore.record` sets it in the transaction of its entries."""
        ...

    async def move_chat(self, channel: str, chat: str, to: str) -> None:
        """Record that a chat has a new id on its platform. Repeating it changes nothing."""
        ...

    async def first_chat_id(self, channel: str, chat: str) -> str:
        """Return the first id of a chat, however often it moved; the given id if it never did."""
        ...

    async def current_chat_id(self, channel: str, chat: str) -> str:
        """Return the current id of the chat with this first id."""
        ...

    async def topic_title(self, channel: str, chat: str) -> str:
        """The title of a topic, `chat` being `chat_id/thread_id`; "" where none was told."""
        ...

    async def set_topic_title(self, channel: str, chat: str, title: str, *, at_most: int) -> None:
        """Store the title of a topic. Of more than `at_most` of the channel, the least recently set one is deleted."""
        ...

    async def keep_first_message(self, message: FirstMessage, *, at_most: int) -> None:
        """Store it instead of an older one of its subject. Of more than `at_most`, the oldest is deleted."""
        ...

    async def first_message(self, channel: str, subject: str) -> FirstMessage | None:
        """Return the stored message of this subject, or None."""
        ...

    async def forget_first_message(self, channel: str, subject: str) -> None:
        """Delete the stored message of a subject, if there is one."""

    async def set_undelivered(self, conversation: str, reason: str, *, at_most: int) -> None:
        """Record why the last message there was not delivered. Of more than `at_most`, the oldest is deleted."""
        ...

    async def clear_undelivered(self, conversation: str) -> None:
        """Record that a message was delivered to this conversation."""
        ...

    async def undelivered(self) -> Mapping[str, str]:
        """Return why the last message was not delivered, by conversation, oldest first."""
        ...
