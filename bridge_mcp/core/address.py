"""A conversation's address: a channel, a chat on it, and a topic of the chat."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

__all__ = ["Address"]


class Address(NamedTuple):
    """The parts of a conversation's name: `channel/chat` or `channel/chat/thread`."""

    channel: str
    """The name of an account on a platform, or `calls` for the calls of MCP clients."""
    chat: str = ""
    """The platform's id of the chat, which is also what a pairing is for; empty where only a channel is named."""
    thread: str = ""
    """The platform's id of the topic; empty outside of topics."""

    @classmethod
    @lru_cache(maxsize=4096)
    def of(cls, conversation: str) -> Address:
        """Split a conversation's name. It checks nothing: see `operations.addresses`."""
        channel, _, target = conversation.partition("/")
        return cls.on(channel, target)

    @classmethod
    def on(cls, channel: str, target: str) -> Address:
        """The address of a channel's `target`: `chat` or `chat/thread`."""
        chat, _, thread = target.partition("/")
        return cls(channel, chat, thread)

    @property
    def target(self) -> str:
        """The channel's own name for it: `chat` or `chat/thread`."""
        return f"{self.chat}/{self.thread}" if self.thread else self.chat

    @property
    def places(self) -> tuple[str, str, str]:
        """The limits that include it: the channel, the chat with all its topics, or just this conversation."""
        chat = f"{self.channel}/{self.chat}"
        return self.channel, chat, f"{chat}/{self.thread}" if self.thread else chat
