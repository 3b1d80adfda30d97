"""The port of a chat platform, and of the time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from bridge_mcp.core.capabilities import Capabilities
from bridge_mcp.core.entries import Attachment, Button, Question, Sender, Topic
from bridge_mcp.core.tools import JSON

__all__ = [
    "Arrival",
    "ButtonPress",
    "Capabilities",
    "Channel",
    "ChannelHealth",
    "ChannelTraits",
    "Clock",
    "Connected",
    "Deleted",
    "Edit",
    "Form",
    "Happening",
    "Ignored",
    "Inbox",
    "Incoming",
    "Moved",
    "Named",
    "Outgoing",
    "OutgoingAction",
    "Outsider",
    "Part",
    "Reaction",
    "TopicChange",
    "Upload",
]


Outsider: TypeAlias = Literal["", "bot", "guest"]


class Clock(Protocol):
    """Tells the time. Wall-clock epoch seconds, because times are stored and compared across processes."""

    def now(self) -> float:
        """Epoch seconds."""
        ...


class ChannelTraits(Struct, frozen=True):
    """What a channel is like, as it declares it."""

    name: str
    type: str
    needs_pairing: bool = True
    delivered_by_commit: bool = False
    """Its readers read the store: a committed message is a delivered one, and `send` is never called."""
    subjects: str = r"-?[0-9]{1,20}"
    """The pattern of the ids of its chats and users, for which pairings are."""
    can: Capabilities = Capabilities()
    """What it can do."""


# -- coming in -------------------------------------------------------------------------------------------------


class Incoming(Struct, frozen=True):
    """A message as the platform gave it. `chat` is `chat_id` or `chat_id/thread_id`, `at` is in epoch seconds."""

    channel: str
    chat: str
    key: str
    """The platform's id of the message, unique in its chat."""
    sender: Sender
    text: str
    at: float
    title: str = ""
    topic: str = ""
    """The name of the topic that it stands in, where the platform tells it with the message."""
    attachments: tuple[Attachment, ...] = ()
    reply_to: str = ""
    """The message it replies to: the platform's id, or (on a local channel) ours."""
    quote: str = ""
    """The part of that message which it quotes, or its beginning where it is none of ours."""
    forwarded_from: str = ""
    """Who wrote it first, for people, where it was forwarded."""
    group: bool = False
    """Whether several people may write there."""
    addressed: bool = True
    """Whether it is meant for the bot. False for what people say to each other in a group."""
    outsider: Outsider = ""
    """Who may speak and no more: they give no commands, decide nothing and are told no code.

    `bot` is another bot, app or webhook; it answers no questions, either. Who merely writes in a chat's name is none.
    `guest` writes to somebody else's account, or that account writes to them: people who know of no bridge.
    """
    post: bool = False
    """Whether it is a post of a channel, of which nobody is told whether a person wrote it or a bot."""
    bare: str = ""
    """The text without our name in front of it, where that stands there; empty where it does not."""
    followed: bool = False
    """Whether more of the same sender is known to come right behind it."""
    edit: str = ""
    """Not empty: this is a new version of the message `key`; a stamp by which the same version is known again."""
    offset: int | None = None
    """Where the platform's stream stands once this is stored: kept in the same transaction."""


class ButtonPress(Struct, frozen=True):
    """Somebody pressed a button below a message of ours. `chat` and `at` are as in `Incoming`."""

    channel: str
    chat: str
    message: str
    """The platform's id of the message."""
    sender: Sender
    token: str
    """What the button carried: `Button.token`."""
    at: float
    offset: int | None = None
    written: str = ""
    """What the person wrote into the form that the button opened."""
    outsider: Outsider = ""


class Form(Struct, frozen=True):
    """What a button asks for before it takes effect, where the channel has forms."""

    title: str
    label: str
    text: str = ""
    """What stands in it at first."""
    wanted: bool = False
    """Whether it may not be empty."""


class Moved(Struct, frozen=True):
    """A chat has another id from now on (Telegram: a group became a supergroup). Its conversations stay the same."""

    channel: str
    chat: str
    to: str
    offset: int | None = None


class Ignored(Struct, frozen=True):
    """Something came in that concerns nobody; only the place in the stream is kept."""

    channel: str
    offset: int


class Named(Struct, frozen=True):
    """A topic of a chat has this name from now on."""

    channel: str
    chat: str
    """`chat_id/thread_id`."""
    name: str
    offset: int | None = None


class Happening(Struct, frozen=True):
    """Something happened in a chat that is no message, and that the owner wants to be told of in the feed."""

    channel: str
    chat: str
    type: Literal["message.reaction", "chat.member"]
    sender: Sender
    """Who did it."""
    body: Mapping[str, JSON]
    offset: int | None = None
    message: str = ""
    """The platform's id of the message it is about."""
    at: float = 0.0


class Deleted(Struct, frozen=True):
    """Messages of a chat were deleted by who wrote them; what of them nobody has answered is not answered any more."""

    channel: str
    chat: str
    messages: tuple[str, ...]
    """The platform's ids."""
    offset: int | None = None


class Connected(Struct, frozen=True):
    """Somebody let the bot into the chats of their own account on the platform, or out of them again."""

    channel: str
    chat: str
    """By which its chats are named: they are its threads."""
    to: str
    """The platform's id of this connection, as `Moved.to`."""
    name: str
    """The account's."""
    active: bool = True
    offset: int | None = None


Arrival: TypeAlias = Incoming | ButtonPress | Moved | Named | Happening | Deleted | Connected | Ignored
"""What a channel puts into its inbox."""


class Inbox(Protocol):
    """Where a channel puts what came in, one after the other."""

    async def put(self, arrival: Arrival) -> str:
        """Returns once it is stored, or refused by the gate: only then may the channel acknowledge it.

        Answers what the sender is to be told outside of any log ("" for nothing): a stranger their pairing code, who
        pressed a button what came of it. Putting the same thing again is harmless.

        Raises:
            StoreError: it is not stored; put it again.
        """
        ...

    async def offset(self, channel: str) -> int | None:
        """The highest `offset` that was stored for a channel; None at first."""
        ...

    async def form(self, press: ButtonPress) -> Form | None:
        """The form that a press opens; None for a button that takes effect at once, or that is not theirs to press."""
        ...

    async def chats(self, channel: str, at_most: int) -> tuple[str, ...]:
        """Where messages may wait: chats and threads with conversations, the latest first, and all that was let in."""
        ...


# -- going out -------------------------------------------------------------------------------------------------


class Upload(Struct, frozen=True):
    """A file on its way out. Exactly one of `path`, `data` and `ref` says where its bytes are."""

    kind: Literal["image", "audio", "video", "file"]
    name: str
    mime: str = ""
    path: Path | None = None
    data: bytes | None = None
    ref: str = ""
    """The platform's own name for a file it already has (Telegram: a `file_id`)."""


class Outgoing(Struct, frozen=True):
    """A message for the platform."""

    chat: str
    text: str
    """Markdown, as models write it."""
    uploads: tuple[Upload, ...] = ()
    buttons: tuple[Button, ...] = ()
    """Shown below the last part, so that everything has been seen before one can be pressed."""
    reply_to: str = ""
    """The platform's id of the message it replies to."""
    silent: bool = False
    question: Question | None = None
    key: str = ""
    """The bridge's own name of the message, the same at every try; a platform may know a repeat by it."""
    at: float = 0.0
    """When it was written, in epoch seconds; 0 where nobody says."""


class Edit(Struct, frozen=True):
    """A message that was sent gets another text; its buttons are replaced by these."""

    chat: str
    messages: tuple[str, ...]
    """The platform's ids of its parts, in order. The text goes into the first ones, as far as it reaches."""
    text: str
    buttons: tuple[Button, ...] = ()


class Reaction(Struct, frozen=True):
    """An emoji below a message; an empty one takes ours away."""

    chat: str
    message: str
    emoji: str


class TopicChange(Struct, frozen=True):
    """A topic is made or changed. A new one's only id is that of its thread."""

    chat: str
    """Where it is to be made (`chat_id`); of one that is there: `chat_id/thread_id`."""
    topic: Topic
    key: str = ""
    """As `Outgoing.key`."""


OutgoingAction: TypeAlias = Outgoing | Edit | Reaction | TopicChange
"""Something to do on the platform, as one or more parts."""


class Part(Struct, frozen=True):
    """What one request to the platform does. Only its channel knows what `body` is."""

    chat: str
    body: object


class ChannelHealth(Struct, frozen=True):
    """How a channel is. `last_ok` is the epoch second of its last good exchange with the platform."""

    state: Literal["starting", "ready", "degraded", "stopped"]
    error: str = ""
    """What is wrong, and the next move."""
    last_ok: float = 0.0
    account: str = ""
    """The account's name on the platform (`@my_bot`), once it is known."""
    hints: tuple[str, ...] = ()
    """What the owner should know, though it works."""


class Channel(Protocol):
    """One account on one platform. Only the engine runs it, sends and shows; any process may fetch.

    It is given no action that its traits do not declare: no `Edit` without `edits`, no `Upload` without `file_bytes`.
    """

    traits: ChannelTraits

    async def run(self, inbox: Inbox) -> None:
        """Receive until cancelled. Reconnects by itself.

        Raises:
            ConfigError: it cannot work until the owner changes something (a wrong token).
        """
        ...

    def parts(self, action: OutgoingAction) -> tuple[Part, ...]:
        """An action cut into requests, in order; the same action gives as many each time. No I/O, never empty."""
        ...

    async def send(self, part: Part) -> tuple[str, ...]:
        """Do one request; the platform's ids of the messages it made or changed.

        A channel keeps its platform's pace: it waits a moment where that is enough, and else fails with the time.

        Raises:
            SendFailed: it surely did not go out. `retry_after_s` says in how many seconds it may be tried again (0:
                soon; the caller waits longer each time), None: never.
            SendUncertain: it may have gone out.
        """
        ...

    async def show(self, chat: str, draft: int, text: str) -> None:
        """Show that a reply is being made: "is typing", and where the platform can, its text so far ("" at first).

        `draft` is the same for all of one reply, and never 0. Best effort: what fails is dropped.
        """
        ...

    async def fetch(self, attachment: Attachment, most: int) -> bytes:
        """The bytes of a file that came with a message.

        Raises:
            FetchFailed: it has more than `most` bytes, or is gone, or the platform did not give it; says which.
        """
        ...

    def health(self) -> ChannelHealth:
        """How the channel is now. Returns at once."""
        ...
