"""The shapes of what the MCP face answers: JSON objects, as types that cost nothing at run time.

Times are ISO 8601 in UTC with milliseconds, which models and programs both read; null where there is none. JSON that
the bridge keeps as text (arguments, schemas, structured results) comes out as what it says. A message and an event
leave out what is empty, since they come by the hundred; every other shape always has all its fields.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from bridge_mcp.core.tools import JSON

__all__ = [
    "ApprovalShape",
    "ApprovalsShape",
    "AttachmentShape",
    "ChannelShape",
    "ChannelsShape",
    "CommandShape",
    "ConversationShape",
    "ConversationStatusShape",
    "ConversationsShape",
    "DecisionShape",
    "EventPageShape",
    "EventShape",
    "FileShape",
    "GrantShape",
    "GrantsShape",
    "MessagePageShape",
    "MessageShape",
    "MessagesShape",
    "PairingShape",
    "PairingsShape",
    "QuestionShape",
    "RequestShape",
    "ResponderShape",
    "RevokedShape",
    "SenderShape",
    "SentShape",
    "ServerShape",
    "StatusShape",
    "TicketShape",
    "ToolListShape",
    "ToolShape",
    "UnpairedShape",
    "UsageShape",
]


class ChannelShape(TypedDict):
    name: str
    type: str
    responder: str
    needs_pairing: bool
    state: str
    error: str
    last_ok: str | None
    today: UsageShape


class ServerShape(TypedDict):
    name: str
    state: str
    tools: int
    error: str
    restarts: int
    instructions: str


class ConversationShape(TypedDict):
    id: str
    channel: str
    title: str
    responder: str | None
    messages: int
    last_at: str | None
    last_text: str


class SenderShape(TypedDict):
    id: str
    name: str
    kind: str


class AttachmentShape(TypedDict):
    kind: str
    mime: str
    name: str
    size: int | None


class FileShape(TypedDict):
    message: str
    index: int
    name: str
    kind: str
    mime: str
    bytes: int
    text: NotRequired[str]
    truncated: NotRequired[str]
    base64: NotRequired[str]
    shown: NotRequired[str]
    """How, where it is not in this answer."""


class QuestionShape(TypedDict):
    choices: list[str]
    expires_at: str | None


class MessageShape(TypedDict):
    id: str
    conversation: str
    at: str | None
    direction: str
    author: SenderShape
    text: str
    status: str
    attachments: NotRequired[list[AttachmentShape]]
    buttons: NotRequired[list[str]]
    reply_to: NotRequired[str]
    quote: NotRequired[str]
    forwarded_from: NotRequired[str]
    edited: NotRequired[bool]
    silent: NotRequired[bool]
    question: NotRequired[QuestionShape]
    reason: NotRequired[str]
    platform_ids: NotRequired[list[str]]
    attempts: NotRequired[int]
    truncated: NotRequired[str]
    """How to get at all of a text that is too long for an answer."""


class ApprovalShape(TypedDict):
    id: str
    conversation: str
    call: str
    server: str
    tool: str
    arguments: JSON
    digest: str
    batch: str
    reason: str
    requested_by: str
    asked_at: str | None
    expires_at: str | None
    status: str
    decided_by: str
    decided_at: str | None
    decided_via: str
    edited: JSON
    note: str
    quorum: int
    votes: list[str]
    places: list[str]
    truncated: NotRequired[str]
    """How to get at the whole arguments, where they are too long for an answer."""


class TicketShape(TypedDict):
    id: str
    kind: str
    conversation: str
    state: str
    outcome: str
    text: str
    structured: JSON
    message: str
    approvals: list[str]
    attachments: list[AttachmentShape]
    """Files of a tool's result; `fetch_attachment` gives them by the ticket and their place here."""
    shown: NotRequired[list[int]]
    """Which of them stand beside this answer as content."""
    truncated: str
    """How to get at all of a result that is too long for an answer; empty where it is whole."""
    warning: NotRequired[str]
    """What is wrong with the engine that is to settle it."""


class EventShape(TypedDict):
    cursor: int
    type: str
    at: str | None
    conversation: NotRequired[str]
    body: dict[str, JSON]


class ToolShape(TypedDict):
    """A nested tool; as a line of a long list only its name, its server and the first line of its description."""

    name: str
    server: str
    description: str
    tool: NotRequired[str]
    schema: NotRequired[JSON]
    read_only: NotRequired[bool]
    destructive: NotRequired[bool]
    idempotent: NotRequired[bool]
    open_world: NotRequired[bool]
    confirmation: NotRequired[str]
    changed: NotRequired[str]
    """How it differs from what it was when it was trusted."""


class PairingShape(TypedDict):
    channel: str
    chat: str
    role: str
    name: str
    by: str
    at: str | None


class RequestShape(TypedDict):
    code: str
    channel: str
    chat: str
    name: str
    at: str | None
    expires_at: str | None


class GrantShape(TypedDict):
    id: int
    tool: str
    conversation: str
    arguments: dict[str, str]
    expires_at: str | None
    by: str
    created_at: str | None


class ChannelsShape(TypedDict):
    channels: list[ChannelShape]


class ConversationsShape(TypedDict):
    conversations: list[ConversationShape]
    cursor: str


class MessagesShape(TypedDict):
    messages: list[MessageShape]
    truncated: NotRequired[str]
    """How many more there are, where they are too long for an answer."""


class CallShape(TypedDict):
    id: str
    tool: str
    arguments: JSON
    at: str | None
    requested_by: str
    approval: NotRequired[str]
    reason: NotRequired[str]
    votes: NotRequired[list[str]]
    verdict: NotRequired[str]
    decided_by: NotRequired[str]
    decided_via: NotRequired[str]
    decided_at: NotRequired[str | None]
    note: NotRequired[str]
    cleared_by: NotRequired[str]
    started_at: NotRequired[str | None]
    ran_with: NotRequired[JSON]
    """Where these are not the arguments that were asked for."""
    outcome: NotRequired[str]
    result: NotRequired[str]
    result_chars: NotRequired[int]
    """Of the whole result, where only its beginning is here."""
    finished_at: NotRequired[str | None]


class MessagePageShape(TypedDict):
    conversation: str
    messages: list[MessageShape]
    before: str
    calls: NotRequired[list[CallShape]]
    calls_left_out: NotRequired[int]
    """Older calls of this stretch that the answer has no room for."""


class EventPageShape(TypedDict):
    events: list[EventShape]
    cursor: int
    gap: bool
    first_available: int


class ApprovalsShape(TypedDict):
    approvals: list[ApprovalShape]
    count: int
    cursor: str


class DecidedShape(TypedDict):
    approval: ApprovalShape
    grant: int | None
    error: NotRequired[str]
    waits: NotRequired[str]


class DecisionShape(DecidedShape):
    also: NotRequired[list[DecidedShape]]


class ToolListShape(TypedDict):
    tools: list[ToolShape]
    found: int
    """How many there are on all pages."""
    cursor: str
    servers: list[ServerShape]


class SentShape(TypedDict):
    message: str
    status: str
    reason: str
    parts: list[str]
    repeated: bool
    warning: NotRequired[str]
    """What is wrong with the engine that is to send it."""


class StatusShape(TypedDict):
    version: str
    role: str
    engine: str
    settings: str
    engine_pid: int | None
    engine_since: str | None
    engine_seen: str | None
    engine_wrote: str | None
    channels: list[ChannelShape]
    servers: list[ServerShape]
    waiting_approvals: int
    queued_messages: int
    event_cursor: int
    today: UsageShape
    warnings: list[str]


class UsageShape(TypedDict):
    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float | None
    usd: float
    unpriced_calls: int
    latency_s: float


class ConversationStatusShape(TypedDict):
    conversation: ConversationShape
    responder: str
    step: str
    waiting: list[ApprovalShape]
    usage: UsageShape
    today: UsageShape
    unread: int


class ResponderShape(TypedDict):
    conversation: str
    responder: str


class CommandShape(TypedDict):
    conversation: str
    text: str


class UnpairedShape(TypedDict):
    channel: str
    chat: str
    paired: bool


class RevokedShape(TypedDict):
    grant: int
    revoked: bool


class PairingsShape(TypedDict):
    pairings: list[PairingShape]
    requests: list[RequestShape]


class GrantsShape(TypedDict):
    grants: list[GrantShape]
