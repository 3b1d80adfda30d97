"""What the service answers: frozen values, whole, with nothing left to look up. The faces turn them into JSON."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from bridge_mcp.core.call_history import CallRecord
from bridge_mcp.core.capabilities import Capabilities
from bridge_mcp.core.entries import Attachment, Responder
from bridge_mcp.core.projections import Approval, Conversation, Message, MessageStatus
from bridge_mcp.core.spending import Spent
from bridge_mcp.core.tools import ToolSpec

__all__ = [
    "ApprovalPage",
    "ChannelInfo",
    "ConversationPage",
    "Decision",
    "Fix",
    "InstructionChange",
    "Later",
    "MessagePage",
    "Sent",
    "ServerInfo",
    "Status",
    "Ticket",
    "TicketKind",
    "ToolChange",
    "ToolList",
    "Trouble",
]

TicketKind: TypeAlias = Literal["turn", "question", "approval", "call"]


class Trouble(Struct, frozen=True):
    """What fails now. `since` is epoch seconds."""

    text: str
    since: float


class Fix(Struct, frozen=True):
    """What helps against one warning, where a face can offer it beside the words.

    `step` is what can be done on the spot, about `subject` (a channel, tool server, conversation or subscription):
    `retry` the channel now, `reload` the tool servers, look at changed `instructions` or changed `tools` and accept
    them, look at the `pairing` requests or at the `chat`, end the subscription of a `callback`. `paste` is the command,
    or the line of bridge.toml, that does it.
    """

    step: Literal["", "retry", "reload", "instructions", "tools", "pairing", "chat", "callback"] = ""
    subject: str = ""
    paste: str = ""


class ChannelInfo(Struct, frozen=True):
    """One channel. `state` is `unknown` while no engine has told."""

    name: str
    type: str
    responder: Responder
    needs_pairing: bool
    state: str = "unknown"
    error: str = ""
    last_ok: float = 0.0
    """Epoch seconds of the last good exchange with the platform; 0 where that means nothing."""
    today: Spent = Spent()
    """What its conversations took of models since 00:00 UTC."""
    distribution: str = ""
    """The package that brings its type, with its version; "" where it is built in."""
    can: Capabilities = Capabilities()
    """What it declares that it can do."""


class ConversationPage(Struct, frozen=True):
    """The most recent first. `cursor` is for the next page, "" at the end."""

    conversations: tuple[Conversation, ...]
    cursor: str = ""


class MessagePage(Struct, frozen=True):
    """Oldest first. `before` is what to ask for the page before this one, "" at the beginning."""

    conversation: str
    messages: tuple[Message, ...]
    before: str = ""
    calls: tuple[CallRecord, ...] | None = None
    """The tool calls in the same stretch, where they were asked for."""


class ApprovalPage(Struct, frozen=True):
    """The newest first. `count` is how many there are on all pages; `cursor` is for the next page, "" at the end."""

    approvals: tuple[Approval, ...]
    count: int
    cursor: str = ""


class Sent(Struct, frozen=True):
    """What became of a message to send. `repeated`: the idempotency key had been used, and nothing was sent anew."""

    message: str
    status: MessageStatus | Literal["scheduled"]
    """`scheduled` (`message` is the id by which it is cancelled), `sent`,
    `queued` (it goes out by itself), `sending`, `uncertain` (it may have gone out) or `failed`."""
    reason: str = ""
    """Why it failed, or waits."""
    parts: tuple[str, ...] = ()
    """The platform's id of each part, once sent."""
    repeated: bool = False
    """Whether the idempotency key had been used, so that nothing was sent anew."""
    warning: str = ""
    """While it has not gone out: what is wrong with the engine that is to send it."""


class TopicMade(Struct, frozen=True):
    """What became of a topic that is to be made or changed."""

    message: str
    """The id of this act; the feed tells of it by this."""
    status: MessageStatus
    conversation: str = ""
    """The topic, as a conversation; empty while it is not made, or where nobody knows whether it was."""
    reason: str = ""
    repeated: bool = False
    warning: str = ""


class Later(Struct, frozen=True):
    """A message that is to be sent later."""

    id: str
    conversation: str
    send_at: float
    """Epoch seconds."""
    text: str
    by: str


class Ticket(Struct, frozen=True):
    """Something that takes longer than a call may. Ask again with `wait_for` while `state` is `open`."""

    id: str
    kind: TicketKind
    conversation: str
    state: Literal["open", "done"]
    """`open`: ask again; or `done`."""
    outcome: str = ""
    """Once done: `replied`, `stopped`, `answered`, `expired`, `approved`, `rejected`, `cancelled`, `ok`, `error`, …"""
    text: str = ""
    """The reply, the answer, or the result, whole."""
    structured: str = ""
    """A tool's structured result as JSON text."""
    message: str = ""
    """The id of the message that settled it, if one did."""
    approvals: tuple[str, ...] = ()
    """While open: the approvals it waits for."""
    since: float = 0.0
    """Epoch seconds of what it was given for, and of the last entry that concerns it."""
    changed: float = 0.0
    attachments: tuple[Attachment, ...] = ()
    """The files that a tool's result brought, or that hold it whole."""
    truncated: bool = False
    """A tool's result was too long for the log; where there was room it is whole, as the last of the files."""
    raw: str = ""
    """A tool's result as its server gave it, as JSON text, where it was asked for so."""
    warning: str = ""
    """While open: what is wrong with the engine that is to settle it."""


class Decision(Struct, frozen=True):
    """What a verdict did."""

    approval: Approval
    grant: int | None = None
    """The id of the standing grant that `remember` made."""
    error: str = ""
    """Of several decided together: why this one was not."""
    waits: str = ""
    """Of an approved call whose tool is not there now: what it waits for, in words."""


class ServerInfo(Struct, frozen=True):
    """One nested tool server as the engine last told of it."""

    name: str
    state: str
    tools: int = 0
    error: str = ""
    restarts: int = 0
    instructions: Literal["none", "not used", "used", "changed"] = "none"
    """What becomes of what it says of its tools: whether it stands in system prompts, or an earlier text of it does."""
    says: str = ""
    """What it says, where it has changed."""


class InstructionChange(Struct, frozen=True):
    """A tool server that gives other instructions than those that are trusted.

    `code` stands for the new text, to accept it; `was` is what the assistant is told meanwhile.
    """

    server: str
    was: str
    now: str
    code: str


class ToolList(Struct, frozen=True):
    """The nested tools and how their servers are."""

    tools: tuple[ToolSpec, ...]
    servers: tuple[ServerInfo, ...]


class ToolChange(Struct, frozen=True):
    """A tool that is no longer what it was when it was first seen, or last approved. `spec.changed` says in what."""

    spec: ToolSpec
    digest: str
    """Of the tool as it is now: what accepting it is bound to."""
    description: str = ""
    """What it said before, and the JSON schema of what it took; the beginnings of long ones, "" where nobody knows."""
    schema: str = ""


class Worker(Struct, frozen=True):
    """One of the processes that share the work on a store. Times are epoch seconds by the store's clock."""

    host: str
    pid: int
    version: str
    under_way: int
    """How many conversations it drives now, and how many it may."""
    concurrency: int
    holds: tuple[str, ...]
    """What it alone does: `bridge`, `channel:NAME`, `server:NAME`."""
    since: float
    seen: float
    refuses: str = ""
    """Why it drives nothing; "" where it drives."""
    schema_version: int = 0
    """The schema of the store that it knows."""
    clock_off_s: float = 0.0
    """How far the clock of its machine is ahead of the database's, by which it goes."""


class Queue(Struct, frozen=True):
    """The work that workers share: conversations."""

    waiting: int = 0
    under_way: int = 0
    oldest_s: float = 0.0
    """How long the oldest has waited, in seconds."""


class Status(Struct, frozen=True):
    """How the bridge is."""

    version: str
    role: Literal["engine", "face"]
    """What the answering process is."""
    engine_pid: int | None
    engine_since: float
    channels: tuple[ChannelInfo, ...]
    servers: tuple[ServerInfo, ...]
    waiting_approvals: int = 0
    queued_messages: int = 0
    event_cursor: int = 0
    today: Spent = Spent()
    """What the bridge took of models since 00:00 UTC."""
    warnings: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()
    """The fix of each warning, in the order of the warnings."""
    engine: Literal["running", "starting", "silent", "none"] = "none"
    """`silent`: a process holds the engine's place, and gives no sign of life."""
    engine_seen: float = 0.0
    """When the engine last said that it is alive, and when it last wrote to the store (epoch seconds; 0: unknown)."""
    engine_wrote: float = 0.0
    settings: str = ""
    """The file that the engine reads, or this process where there is none."""
    workers: tuple[Worker, ...] = ()
    """The processes that share the work, the longest there first; none where one machine does all."""
    queue: Queue = Queue()


class ConversationStatus(Struct, frozen=True):
    """How one conversation is: what it waits for, and what it has cost so far."""

    conversation: Conversation
    responder: Responder
    step: str
    """What is being done here, as far as the log tells: `Idle`, `Wait`, `CallModel`, `Run` (tools), …"""
    waiting: tuple[Approval, ...] = ()
    usage: Spent = Spent()
    """What it took of models since its beginning."""
    today: Spent = Spent()
    """Since 00:00 UTC."""
    unread: int = 0
    """Messages for the assistant that no reply has read yet."""
