"""Objects of the API, as far as they are read: https://docs.discord.com/developers/resources/message and /channel.

What is not listed here is dropped. A payload that has not these shapes raises `msgspec.ValidationError`.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

__all__ = [
    "THREADS",
    "Channel",
    "File",
    "Guild",
    "Interaction",
    "Message",
    "ReactionEvent",
    "User",
    "parse",
    "within",
]

T = TypeVar("T")
THREADS = frozenset({10, 11, 12})
"""Types of channels that are threads."""


def parse(kind: type[T], payload: Any) -> T:
    """A payload as this kind of object.

    Raises:
        msgspec.ValidationError: it is another one.
    """
    return msgspec.convert(payload, kind, strict=False)


class User(msgspec.Struct, frozen=True):
    """A user; `global_name` is what people see."""

    id: str
    username: str = ""
    global_name: str | None = None
    bot: bool = False

    @property
    def name(self) -> str:
        """What people see."""
        return self.global_name or self.username


class Channel(msgspec.Struct, frozen=True):
    """A channel or thread; for direct ones `recipients`."""

    id: str
    type: int
    name: str | None = None
    parent_id: str | None = None
    guild_id: str | None = None
    last_message_id: str | None = None
    recipients: tuple[User, ...] = ()


def within(channel: Channel, guild: str) -> Channel:
    """The channel with its guild, which is left out where that is plain."""
    return channel if channel.guild_id else msgspec.structs.replace(channel, guild_id=guild)


class Guild(msgspec.Struct, frozen=True):
    """A guild as the gateway tells it, with the channels that the bot sees and the active threads."""

    id: str
    name: str = ""
    unavailable: bool = False
    channels: tuple[Channel, ...] = ()
    threads: tuple[Channel, ...] = ()


class File(msgspec.Struct, frozen=True):
    """An attachment."""

    id: str
    filename: str = ""
    size: int | None = None
    content_type: str | None = None
    url: str = ""


class Sticker(msgspec.Struct, frozen=True):
    name: str = ""


class Reference(msgspec.Struct, frozen=True):
    type: int = 0
    message_id: str | None = None


class Snapshot(msgspec.Struct, frozen=True):
    """The words of a forwarded message, as they were."""

    content: str = ""
    attachments: tuple[File, ...] = ()


class Forwarded(msgspec.Struct, frozen=True):
    message: Snapshot


class Member(msgspec.Struct, frozen=True):
    nick: str | None = None
    user: User | None = None


class PollText(msgspec.Struct, frozen=True):
    text: str = ""


class Poll(msgspec.Struct, frozen=True):
    question: PollText = PollText()


class Message(msgspec.Struct, frozen=True):
    """A message."""

    id: str
    channel_id: str
    author: User
    content: str = ""
    timestamp: str = ""
    edited_timestamp: str | None = None
    type: int = 0
    guild_id: str | None = None
    webhook_id: str | None = None
    member: Member | None = None
    mentions: tuple[User, ...] = ()
    attachments: tuple[File, ...] = ()
    sticker_items: tuple[Sticker, ...] = ()
    poll: Poll | None = None
    message_reference: Reference | None = None
    referenced_message: Message | None = None
    message_snapshots: tuple[Forwarded, ...] = ()


class Emoji(msgspec.Struct, frozen=True):
    id: str | None = None
    name: str | None = None


class ReactionEvent(msgspec.Struct, frozen=True):
    """`MESSAGE_REACTION_ADD` and `MESSAGE_REACTION_REMOVE`; `member` is there for reactions added in a guild."""

    user_id: str
    channel_id: str
    message_id: str
    emoji: Emoji
    guild_id: str | None = None
    member: Member | None = None


class ButtonMessage(msgspec.Struct, frozen=True):
    """The message that a button is below."""

    id: str


class Interaction(msgspec.Struct, frozen=True):
    """An interaction; `data` is read by its type."""

    id: str
    token: str
    type: int
    channel_id: str | None = None
    channel: Channel | None = None
    guild_id: str | None = None
    member: Member | None = None
    user: User | None = None
    message: ButtonMessage | None = None
    context: int | None = None
    """Where it was used: 0 in a guild, 1 in the bot's direct messages, 2 between other people."""
    data: dict[str, Any] = {}

    @property
    def who(self) -> User | None:
        """Who did it: a member in a guild, a user in direct messages."""
        return self.user or (self.member.user if self.member is not None else None)
