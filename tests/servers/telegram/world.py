"""The whole state of the server, under one lock: who and what there is, and what became of it.

Knows nothing of HTTP. The rules of what may be done live in `access`, `incoming` and the methods.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge_mcp.ports import Clock
from tests.servers.telegram.changes import Changes
from tests.servers.telegram.files import FileStore
from tests.servers.telegram.state import ChatKind, ChatState, ConnectionState, MessageState, UserState
from tests.servers.telegram.texts import Object
from tests.servers.telegram.updates import UpdateQueue

__all__ = [
    "CallbackAnswer",
    "ChatAction",
    "DraftText",
    "Poll",
    "Press",
    "Webhook",
    "World",
    "scope_key",
]

FIRST_CHANNEL = -1_000_000_000_000
"""Ids of supergroups and channels lie below this."""


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """What the bot said to whoever pressed a button. Empty: the button only stopped waiting."""

    text: str
    alert: bool
    url: str = ""


@dataclass(frozen=True, slots=True)
class ChatAction:
    """The bot showed that it is busy, e.g. `typing`. It shows for five seconds from `at` on."""

    chat: int
    action: str
    thread: int | None
    at: float


@dataclass(frozen=True, slots=True)
class DraftText:
    """A piece of an answer shown while it is made. It is no message and vanishes after 30 seconds."""

    chat: int
    draft: int
    text: str
    at: float


@dataclass(slots=True)
class Press:
    """A button was pressed; `answer` is what the bot said to it, None until it did."""

    id: str
    data: str
    at: float
    answer: CallbackAnswer | None = None


@dataclass(slots=True)
class Webhook:
    """Where updates are posted; `url` is empty while there is no webhook."""

    url: str = ""
    secret: str = ""
    max_connections: int = 40
    ip: str = ""
    last_error: str = ""
    last_error_at: float = 0.0
    generation: int = 0


@dataclass(slots=True)
class Poll:
    """A request that waits for updates; `ended` says why it must stop waiting."""

    ended: str = ""


@dataclass(slots=True)
class World:
    """Everything. Whoever touches it holds `changes.lock`, and calls `changes.tell()` after a change."""

    clock: Clock
    bot: UserState
    queue: UpdateQueue
    files: FileStore
    reads_all: bool
    """Privacy mode is off: the bot gets every message of its groups."""
    callback_expiry_s: float
    connectable: bool = True
    """People can connect the bot to their account."""
    private_topics: bool = False
    """The bot has topics in private chats (`has_topics_enabled`)."""
    changes: Changes = field(default_factory=Changes)
    users: dict[int, UserState] = field(default_factory=dict[int, UserState])
    chats: dict[int, ChatState] = field(default_factory=dict[int, ChatState])
    connections: dict[str, ConnectionState] = field(default_factory=dict[str, ConnectionState])
    presses: dict[str, Press] = field(default_factory=dict[str, Press])
    actions: list[ChatAction] = field(default_factory=list[ChatAction])
    drafts: list[DraftText] = field(default_factory=list[DraftText])
    commands: dict[tuple[str, str], list[Object]] = field(default_factory=dict[tuple[str, str], list[Object]])
    """By scope (as canonical JSON) and language."""
    webhook: Webhook = field(default_factory=Webhook)
    poll: Poll | None = None
    logged_out: bool = False
    started_at: float = 0.0
    on_webhook: Callable[[], None] = lambda: None
    """Called when the webhook was set or taken away."""
    message_ids: dict[int, int] = field(default_factory=dict[int, int])
    numbers: dict[str, int] = field(default_factory=dict[str, int])

    def number(self, of: str, first: int = 1) -> int:
        """The next number of a series."""
        self.numbers[of] = self.numbers.get(of, first - 1) + 1
        return self.numbers[of]

    def new_user(self, first_name: str, last_name: str, username: str, language: str) -> UserState:
        user = UserState(self.number("user", 5_000_001), first_name, last_name, username=username, language=language)
        self.users[user.id] = user
        return user

    def private(self, user: UserState) -> ChatState:
        """The chat between this user and the bot; its id is the user's."""
        if user.id not in self.chats:
            self.chats[user.id] = ChatState(user.id, "private", person=user)
        return self.chats[user.id]

    def new_chat(self, kind: ChatKind, title: str, username: str = "", is_forum: bool = False) -> ChatState:
        number = self.number("chat", 7_001)
        chat_id = -number if kind == "group" else FIRST_CHANNEL - 2_000_000_000 - number
        chat = ChatState(chat_id, kind, title, username=username, is_forum=is_forum)
        self.chats[chat_id] = chat
        # The first message of a supergroup says that it was made; its id, 1, also stands for the general topic.
        self.message_ids[chat_id] = 1
        return chat

    def new_message_id(self, chat: ChatState) -> int:
        """Supergroups and channels count for themselves; all other chats of a bot share one count."""
        key = chat.id if chat.kind in ("supergroup", "channel") else 0
        self.message_ids[key] = self.message_ids.get(key, 0) + 1
        return self.message_ids[key]

    def next_message_id(self, chat: ChatState) -> int:
        """The id that the next message of a chat gets: a message that makes a topic stands in that topic itself."""
        return self.message_ids.get(chat.id if chat.kind in ("supergroup", "channel") else 0, 0) + 1

    def add_message(self, chat: ChatState, wire: Object) -> MessageState:
        """A new message in a chat: `wire` says what is in it, the rest is filled in."""
        number = self.new_message_id(chat)
        whole: Object = {"message_id": number, "date": int(self.clock.now()), "chat": chat.wire()}
        message = MessageState(chat, number, whole | wire)
        chat.messages[number] = message
        return message

    def shown(self, message: MessageState, *, with_reply: bool = True) -> Object:
        """A message as it goes over the wire. What it replies to comes without its own reply."""
        wire = copy.deepcopy(message.wire)
        if not with_reply:
            wire.pop("reply_to_message", None)
        return wire

    def people(self) -> dict[int, Object]:
        return {number: user.wire() for number, user in self.users.items()}

    def find_chat(self, name: str) -> ChatState | None:
        """By id, or by `@username` for public supergroups and channels."""
        if name.startswith("@"):
            wanted = name[1:].lower()
            return next((c for c in self.chats.values() if c.username.lower() == wanted and not c.person), None)
        try:
            return self.chats.get(int(name))
        except ValueError:
            return None


def scope_key(scope: object) -> str:
    """A scope of commands in one canonical form; the default one for none."""
    return json.dumps(scope or {"type": "default"}, sort_keys=True)
