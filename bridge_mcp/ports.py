"""What the engine needs of the world, as small Protocols. Each docstring is the contract that every adapter passes.

The store is one object with several faces (`Store`), because they share transactions. Capabilities are declared fields;
nobody probes. All methods are coroutines of one event loop, and none blocks it. Text is `str` without lone surrogates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from bridge_mcp.core.entries import (
    Attachment,
    Button,
    Entry,
    Failed,
    Logged,
    Question,
    Replied,
    Sender,
    Usage,
)
from bridge_mcp.core.policy import Budget, Grant
from bridge_mcp.core.tools import JSON, ToolResult, ToolSpec
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.core.views import Approval, Conversation, Event, EventType, Message

# -- time ----------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Tells the time. Wall-clock epoch seconds, because times are stored and compared across processes."""

    def now(self) -> float: ...


# -- the store -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where a recorded entry stands. `new` is False when its key was there before: then it is the older one's place."""

    seq: int
    new: bool


class LogStore(Protocol):
    """The conversations' logs. There are three ways to append, and no fourth.

    An append is one transaction: the entries, their keys, and every row computed from them (`core.views`) are there
    together or not at all, and on disk when the call returns. Seqs have no holes. `at` is the store's clock, never less
    than the entry before. A conversation exists from its first entry on.
    """

    async def load(self, conversation: str, after: int = -1, limit: int | None = None) -> tuple[Logged, ...]:
        """The entries with seq > after, in order; with `limit`, only the last so many of them.

        Raises:
            NewerSchema: an entry was written by a newer bridge_mcp.
        """
        ...

    async def intend(
        self, conversation: str, expected: int, *entries: Entry, wake: float | None = 0.0
    ) -> tuple[Logged, ...]:
        """Append intents, if the next seq is `expected`.

        `wake` is when the conversation next has something to do (epoch seconds; 0: now; None: not by itself).

        Raises:
            Conflict: it is not; nothing was written. Load again.
        """
        ...

    async def record(self, conversation: str, *entries: Entry) -> tuple[Recorded, ...]:
        """Append facts and outcomes, each at most once per `entries.key`, whoever wrote in between.

        An entry that `entries.wakes` makes its conversation due at once.
        """
        ...

    async def answer(
        self, conversation: str, started: int, entry: Replied | Failed, wake: float | None = 0.0
    ) -> Logged | None:
        """Append the outcome of the model call begun at `started`; None when it came too late and was dropped.

        It is too late when another model call was begun, the turn was stopped or the conversation cleared since. `wake`
        as for `intend`, but it only holds if nothing that wakes came in since `started`; else it is due now.
        """
        ...


class Agenda(Protocol):
    """Which conversations have something to do. An index over the logs: losing a hint delays, it never loses work."""

    async def due(self, now: float, limit: int) -> tuple[str, ...]:
        """Conversations with something to do at `now`, the longest due first: nobody is passed over for ever."""
        ...

    async def next_due(self, after: float) -> float | None:
        """The first time after `after` at which a conversation or a queued message becomes due; None for never."""
        ...

    async def rest(self, conversation: str, expected: int, until: float | None) -> bool:
        """Note that there is nothing to do before `until`; False, and nothing noted, if the next seq is another."""
        ...

    def watch(self) -> Changes:
        """Be told of commits, of this process at once and of others within tens of milliseconds."""
        ...


class Changes(Protocol):
    """A subscription to commits, held with `contextlib.closing`. Hints may be spurious; none is lost."""

    async def wait(self, timeout_s: float | None = None) -> frozenset[str] | None:
        """The conversations changed since the last wait; empty when time ran out; None: anything may have changed."""
        ...

    def close(self) -> None:
        """End the subscription. Closing twice is fine."""
        ...


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events after a cursor. `gap` is True when events between the asked cursor and the first one were pruned."""

    events: tuple[Event, ...]
    cursor: int
    """Where to go on: everything up to here has been looked at."""
    gap: bool = False
    first_available: int = 1


class Feed(Protocol):
    """What happened in the whole bridge, in one order, in the same transaction as what it tells."""

    async def read(
        self,
        after: int,
        limit: int,
        *,
        types: Sequence[EventType] = (),
        conversation: str = "",
        channels: frozenset[str] = frozenset(),
    ) -> EventPage:
        """At most `limit` events after the cursor. `channels` limits to conversations of these; empty is all.

        Raises:
            BadInput: the cursor lies in the future.
        """
        ...

    async def head(self) -> int:
        """The cursor of the newest event, 0 when there is none yet."""
        ...

    async def publish(self, *events: Event) -> None:
        """Add events that tell of no log entry."""
        ...

    async def acknowledge(self, consumer: str, cursor: int) -> int:
        """Move a named consumer's cursor forward (never back); the cursor it stands at. -1 only reads it."""
        ...

    async def prune(self, before_cursor: int) -> int:
        """Forget events with a cursor below this one; how many went."""
        ...


class History(Protocol):
    """Reading for people and lists. The cost does not grow with what is stored, only with what is asked for."""

    async def conversation(self, conversation: str) -> Conversation | None: ...

    async def conversations(
        self, *, channels: frozenset[str] = frozenset(), query: str = "", limit: int = 50, cursor: str = ""
    ) -> tuple[tuple[Conversation, ...], str]:
        """The most recent first, and the cursor for the next page ("" at the end). `query` is a part of id or title."""
        ...

    async def messages(self, conversation: str, *, before: int | None = None, limit: int = 50) -> tuple[Message, ...]:
        """The last `limit` messages with seq < before, oldest first."""
        ...

    async def message(self, conversation: str, seq: int) -> Message | None: ...

    async def search(
        self, query: str, *, conversation: str = "", channels: frozenset[str] = frozenset(), limit: int = 20
    ) -> tuple[Message, ...]:
        """Messages that hold every word of the query, the newest first. No query syntax: words are words."""
        ...


class Approvals(Protocol):
    """Calls that wait, or waited, for a verdict: a view of the logs."""

    async def get(self, approval: str) -> Approval | None: ...

    async def find(
        self,
        *,
        status: str = "",
        conversation: str = "",
        channels: frozenset[str] = frozenset(),
        limit: int = 100,
    ) -> tuple[Approval, ...]:
        """The oldest first; an empty filter matches all."""
        ...


class Outbox(Protocol):
    """Messages on their way out: those whose status is `queued` or `sending`, in order within a conversation."""

    async def due(self, now: float, limit: int, skip: frozenset[str] = frozenset()) -> tuple[Message, ...]:
        """The first queued message of each conversation (but those in `skip`) whose time has come."""
        ...

    async def begin(self, conversation: str, seq: int) -> Message | None:
        """Mark it `sending`, before the effect; None if it is no longer queued."""
        ...

    async def postpone(self, conversation: str, seq: int, until: float, reason: str) -> None:
        """Back to `queued`, since it surely did not go out, and not before `until`."""
        ...

    async def stranded(self) -> tuple[Message, ...]:
        """Messages left `sending` by a process that died: their fate is unknown. For a new engine, at its start."""
        ...


@dataclass(frozen=True, slots=True)
class Pairing:
    """A chat or a person that was let in on a channel. `subject` is the platform's chat or user id."""

    channel: str
    subject: str
    role: Literal["user", "approver"] = "user"
    name: str = ""
    by: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class PairingRequest:
    """Somebody unknown who wrote, and the one-time code by which the owner lets them in."""

    code: str
    channel: str
    subject: str
    name: str
    at: float
    expires_at: float


class Access(Protocol):
    """Who was let in, and which standing verdicts were given."""

    async def pairings(self, channel: str = "") -> tuple[Pairing, ...]: ...

    async def find(self, channel: str, *subjects: str) -> tuple[Pairing, ...]:
        """Those of the subjects that were let in. The cost does not grow with the number of pairings."""
        ...

    async def pair(self, pairing: Pairing) -> None:
        """Let in, or change the role. Its open requests are closed."""
        ...

    async def unpair(self, channel: str, subject: str) -> bool:
        """Whether it had been paired."""
        ...

    async def request(self, request: PairingRequest, at_most: int) -> PairingRequest | None:
        """Open a request: the subject's own if it has an open one, None if `at_most` others are open on the channel."""
        ...

    async def requests(self, now: float) -> tuple[PairingRequest, ...]:
        """The open ones, oldest first."""
        ...


class Grants(Protocol):
    """Standing verdicts. Committed before anything acts on them."""

    async def add(self, grant: Grant) -> Grant:
        """Store it; the same with its id."""
        ...

    async def active(self, now: float) -> tuple[Grant, ...]: ...

    async def revoke(self, grant: int) -> bool:
        """Whether it was there."""
        ...


class Board(Protocol):
    """Small facts the engine puts up for all processes to read: who is engine, which servers and channels are well."""

    async def put(self, name: str, body: JSON) -> None: ...

    async def get(self, name: str) -> JSON:
        """None when nobody put it up."""
        ...


class Store(Protocol):
    """All faces of one store."""

    log: LogStore
    agenda: Agenda
    feed: Feed
    history: History
    approvals: Approvals
    outbox: Outbox
    access: Access
    grants: Grants
    board: Board

    async def close(self) -> None:
        """Finish what was begun, then let go of the files. Closing twice is fine."""
        ...


# -- the model -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question to a model. `model` is the name of a `[models.NAME]` section."""

    model: str
    messages: tuple[ChatMessage, ...]
    tools: tuple[ToolSpec, ...] = ()
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A tool call as the model gave it."""

    id: str
    tool: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ModelReply:
    """What a model gave: text, calls, or both."""

    text: str
    calls: tuple[ModelCall, ...] = ()
    model: str = ""
    usage: Usage = Usage()


class Model(Protocol):
    """Answers a request."""

    async def reply(self, request: ModelRequest) -> ModelReply:
        """One attempt; the engine counts, waits and tries again. Cancelling ends the provider's call too.

        Raises:
            ModelFailed: no whole reply came; it says whether trying again can help, and what to tell the chat.
        """
        ...


# -- tools ---------------------------------------------------------------------------------------------------


ServerState: TypeAlias = Literal["connecting", "ready", "degraded", "stopped"]


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """How one nested server is. `error` says what is wrong and the next move."""

    name: str
    state: ServerState
    tools: int = 0
    error: str = ""
    since: float = 0.0
    restarts: int = 0


class Toolbox(Protocol):
    """The tools of all nested servers."""

    def tools(self) -> tuple[ToolSpec, ...]:
        """The tools there are now, in a stable order."""
        ...

    def status(self) -> tuple[ServerStatus, ...]: ...

    async def ready(self, servers: frozenset[str], timeout_s: float) -> None:
        """Wait until each of these has been connected or has failed once, or time is up."""
        ...

    async def call(self, spec: ToolSpec, arguments: Mapping[str, JSON]) -> ToolResult:
        """Run a tool. An error the tool itself reports is a result with `is_error`.

        Raises:
            ToolFailed: the call surely did not run.
            ToolUncertain: it may have run.
        """
        ...

    def check(self, spec: ToolSpec, arguments: Mapping[str, JSON]) -> str:
        """What is wrong with these arguments by the tool's schema, in words the model can act on; "" if nothing is."""
        ...


# -- channels ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChannelTraits:
    """What a channel is like."""

    name: str
    type: str
    needs_pairing: bool = True
    delivered_by_commit: bool = False
    """Its readers read the store: a committed message is a delivered one, and `send` is never called."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as the platform gave it. `chat` is `chat_id` or `chat_id/thread_id`."""

    channel: str
    chat: str
    key: str
    sender: Sender
    text: str
    at: float
    title: str = ""
    attachments: tuple[Attachment, ...] = ()
    reply_to: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message for the platform."""

    chat: str
    text: str
    attachments: tuple[Attachment, ...] = ()
    buttons: tuple[Button, ...] = ()
    reply_to: str = ""
    silent: bool = False
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """How a channel is. `last_ok` is the epoch second of its last good exchange with the platform."""

    state: Literal["starting", "ready", "degraded", "stopped"]
    error: str = ""
    last_ok: float = 0.0


class Inbox(Protocol):
    """Where a channel puts what came in."""

    async def put(self, incoming: Incoming) -> str:
        """Returns once it is stored, or refused by the gate: only then may the channel acknowledge it.

        Answers what a refused sender is to be told ("" for nothing); that has no place in any conversation's log.
        """
        ...


class Channel(Protocol):
    """One account on one platform."""

    traits: ChannelTraits

    async def run(self, inbox: Inbox) -> None:
        """Receive until cancelled. Reconnects by itself; raises only when it can never work (a wrong token)."""
        ...

    async def send(self, message: Outgoing) -> tuple[str, ...]:
        """Send it, in parts where the platform wants that; the platform's id of each part.

        Raises:
            SendFailed: it surely did not go out; `retry_after_s` says when trying again is safe, None: never.
            SendUncertain: it may have gone out.
        """
        ...

    def health(self) -> ChannelHealth: ...


# -- how the parts are named in the config, as the engine sees it --------------------------------------------


@dataclass(frozen=True, slots=True)
class ChannelRules:
    """What the owner wants of one channel."""

    name: str
    responder: Literal["assistant", "relay", "off"] = "relay"
    model: str = "default"
    system_prompt: str = ""
    tool_servers: tuple[str, ...] | None = None
    """None: all of them."""
    history_limit: int = 200
    late_after_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Rules:
    """What the owner wants of the bridge, as far as the engine is concerned."""

    channels: Mapping[str, ChannelRules] = field(default_factory=dict[str, ChannelRules])
    confirmation: Literal["required", "never", "by-annotation"] = "by-annotation"
    expires_s: float = 600.0
    route: str = ""
    separate: bool = False
    """A client may not decide what a turn it started asks for."""
    max_turns: int = 64
    """How many conversations are driven at once."""
    budget: Budget = Budget()
