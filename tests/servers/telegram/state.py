"""What Telegram remembers: people, chats, topics, messages. Plain records; others decide what happens to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tests.servers.telegram.texts import Object

__all__ = [
    "ChatKind",
    "ChatState",
    "ConnectionState",
    "Content",
    "Membership",
    "MessageState",
    "TopicState",
    "UserState",
]

ChatKind = Literal["private", "group", "supergroup", "channel"]
Membership = Literal["creator", "administrator", "member", "left", "kicked"]

HERE = ("creator", "administrator", "member")


@dataclass(slots=True)
class UserState:
    """A person, or a bot."""

    id: int
    first_name: str
    last_name: str = ""
    username: str = ""
    language: str = ""
    is_bot: bool = False
    started: bool = False
    """Has written to the bot at least once: before that a bot cannot write to them."""
    talks_to_bots: bool = False
    """A bot in Bot-to-Bot Communication Mode."""
    blocked: bool = False
    deactivated: bool = False

    def wire(self) -> Object:
        found: Object = {"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name}
        optional = {"last_name": self.last_name, "username": self.username, "language_code": self.language}
        return found | {name: value for name, value in optional.items() if value}


@dataclass(slots=True)
class TopicState:
    """A topic of a forum. Its id is the id of the service message that made it."""

    id: int
    name: str
    closed: bool = False
    deleted: bool = False
    icon: str = ""
    """The id of a custom emoji."""
    by_bot: bool = False


@dataclass(slots=True)
class Content:
    """The bytes of one file in a message, and what is said about them."""

    kind: str
    """photo, document, voice, audio, video, animation, video_note or sticker."""
    file_id: str
    name: str
    mime: str
    data: bytes


@dataclass(slots=True)
class MessageState:
    """One message. `wire` is the Message of the Bot API as it stands now."""

    chat: ChatState
    id: int
    wire: Object
    by_bot: bool = False
    silent: bool = False
    album: str = ""
    contents: list[Content] = field(default_factory=list[Content])
    edits: int = 0
    deleted: bool = False
    protected: bool = False
    keyboard: Object | None = None
    """A keyboard that is not an inline one: it came with the message and is no part of it."""
    for_bot: bool = False
    """Privacy mode lets the bot see it."""
    reactions: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    """By who reacted."""

    @property
    def thread(self) -> int | None:
        """The topic of a forum it stands in; None outside topics."""
        return self.wire["message_thread_id"] if self.wire.get("is_topic_message") else None


@dataclass(slots=True)
class ConnectionState:
    """The bot is connected to somebody's account."""

    id: str
    user: UserState
    can_reply: bool = True
    can_delete: bool = False
    enabled: bool = True
    at: int = 0
    chats: dict[int, ChatState] = field(default_factory=dict[int, "ChatState"])
    """By the other person."""

    def wire(self) -> Object:
        """A BusinessConnection."""
        rights = {"can_reply": self.can_reply, "can_read_messages": True, "can_delete_sent_messages": self.can_delete}
        return {
            "id": self.id,
            "user": self.user.wire(),
            "user_chat_id": self.user.id,
            "date": self.at,
            "is_enabled": self.enabled,
            "rights": {name: True for name, has in rights.items() if has},
        }


@dataclass(slots=True)
class ChatState:
    """A chat of any kind. `members` holds everybody who is or was there, the bot included."""

    id: int
    kind: ChatKind
    title: str = ""
    username: str = ""
    person: UserState | None = None
    """The other side of a private chat."""
    is_forum: bool = False
    members: dict[int, Membership] = field(default_factory=dict[int, Membership])
    topics: dict[int, TopicState] = field(default_factory=dict[int, TopicState])
    messages: dict[int, MessageState] = field(default_factory=dict[int, MessageState])
    migrated_to: int = 0
    description: str = ""
    last_bot: int = 0
    """The bot that wrote last; a plain command in a group goes to it."""
    general_closed: bool = False
    general_name: str = "General"
    bot_manages_topics: bool = True
    """Whether the bot has `can_manage_topics` where it is an administrator."""
    reactions: frozenset[str] | None = None
    """The emoji that people of this chat allow as reactions; None: all of Telegram's."""

    connection: str = ""
    """Of a chat of somebody's account: the connection by which the bot is there."""
    heard_at: float = 0.0
    """When the other person wrote last in such a chat."""
    parent: ChatState | None = None
    """Of a channel's direct messages: the channel."""
    direct_topics: dict[int, UserState] = field(default_factory=dict[int, UserState])

    @property
    def is_group(self) -> bool:
        return self.kind in ("group", "supergroup")

    def has(self, user_id: int) -> bool:
        return self.members.get(user_id) in HERE

    def wire(self) -> Object:
        found: Object = {"id": self.id, "type": self.kind}
        if self.person:
            names = self.person.wire()
            return found | {name: names[name] for name in ("first_name", "last_name", "username") if name in names}
        found["title"] = self.title
        if self.username:
            found["username"] = self.username
        if self.is_forum:
            found["is_forum"] = True
        if self.parent is not None:
            found["is_direct_messages"] = True
        if self.kind == "group":
            found["all_members_are_administrators"] = False
        return found
