"""The results of tools about the bridge itself: channels, servers, tools, pairings, grants, status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field

from bridge_mcp.core.requests import RequestState
from bridge_mcp.core.results import Later
from bridge_mcp.core.tool_search import first_line
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.ports import Claim
from bridge_mcp.server.tools.answers import Answer, Instant
from bridge_mcp.server.tools.excerpts import parsed

__all__ = [
    "Abilities",
    "Channels",
    "ClaimState",
    "CommandAnswer",
    "Consumption",
    "Grants",
    "NestedTool",
    "Pairing",
    "Pairings",
    "Revoked",
    "ScheduledMessage",
    "ScheduledMessages",
    "Server",
    "Status",
    "ToolPage",
    "Topic",
    "Unpaired",
    "Usage",
]


class CommandAnswer(Answer):
    """The text that a chat command answered."""

    conversation: str
    text: str


class ClaimState(Answer):
    """Who has a conversation for itself, and until when."""

    conversation: str
    by: str | None
    until: Instant

    @classmethod
    def as_held(cls, conversation: str, held: Claim | None) -> Self:
        """None: nobody has it."""
        told = (held.client, held.until) if held is not None else (None, None)
        return cls.model_validate({"conversation": conversation, "by": told[0], "until": told[1]})


class Usage(Answer):
    """Tokens and cost of model calls."""

    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float | None
    """Null as soon as one call's price is unknown; `usd` is the cost of the others."""
    usd: float
    unpriced_calls: int = Field(validation_alias="unpriced")
    latency_s: float


class Abilities(Answer):
    """What a channel can do; a call that needs more is refused as `unsupported`."""

    text_chars: int
    """Characters (UTF-16 code units) of a text that goes out as one message; a longer one is cut. 0: no limit."""
    markdown: list[str]
    """The parts of Markdown that people see formatted."""
    edits: bool
    reactions: bool
    buttons: int
    """How many one message can have."""
    forms: bool
    """Whether a button can ask for words."""
    file_bytes: int
    """Bytes of the largest file that it sends; 0: none."""
    files_in: bool
    """Whether people can send files."""
    albums: bool
    edits_in: bool
    groups: bool
    bots: bool
    """Whether other bots are heard where the owner lets them."""
    threads: bool
    topics: list[str]
    """What `create_topic` (make) and `edit_topic` (name, icon, close) can do there."""
    typing: bool
    drafts: bool
    """Whether a reply is shown while it grows."""
    history: bool
    """Whether what people wrote while the bridge did not run is heard afterwards."""
    prompts: bool
    """Whether people are asked for approvals by messages there."""


class Channel(Answer):
    """One account on one platform, and its health."""

    name: str
    type: str
    distribution: str = ""
    responder: str
    needs_pairing: bool
    state: str
    error: str
    last_ok: Instant
    today: Usage
    can: Abilities


class Channels(Answer):
    """All channels that the client may see."""

    channels: list[Channel]


class Server(Answer):
    """One nested tool server, and its state."""

    name: str
    state: str
    tools: int
    error: str
    restarts: int
    instructions: str


class NestedTool(Answer):
    """A tool of a nested server; in a long list without fields that have a default."""

    name: str
    server: str
    description: str
    changed: str = ""
    """How it differs from its trusted definition."""
    tool: str = ""
    json_schema: Annotated[Any, BeforeValidator(parsed)] = Field(None, alias="schema")
    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None
    confirmation: str = ""

    @classmethod
    def line(cls, spec: ToolSpec) -> Self:
        """A tool as one line of a long list."""
        told = {"name": spec.name, "server": spec.server, "changed": spec.changed}
        return cls.of(told | {"description": first_line(spec.description)})


class ToolPage(Answer):
    """`cursor` is empty at the end."""

    tools: list[NestedTool]
    found: int
    """The number on all pages."""
    cursor: str
    servers: list[Server]


class Worker(Answer):
    """One of the processes that share the work."""

    host: str
    pid: int
    version: str
    under_way: int
    concurrency: int
    holds: list[str]
    seen: Instant
    refuses: str
    schema_version: int
    clock_off_s: float


class Queue(Answer):
    """Conversations that wait for a worker, and that one drives."""

    waiting: int
    under_way: int
    oldest_s: float


class Status(Answer):
    """The state of the bridge, with warnings and their fixes."""

    version: str
    role: str
    engine: str
    settings: str
    engine_pid: int | None
    engine_since: Instant
    engine_seen: Instant
    engine_wrote: Instant
    channels: list[Channel]
    servers: list[Server]
    waiting_approvals: int
    queued_messages: int
    event_cursor: int
    today: Usage
    workers: list[Worker]
    queue: Queue
    warnings: list[str]


class Pairing(Answer):
    """A chat or a user that is let in."""

    channel: str
    chat: str = Field(validation_alias="subject")
    role: str
    name: str
    by: str
    at: Instant


class PairingRequest(Answer):
    """A chat that asks to be paired, with its code."""

    code: str
    channel: str
    chat: str = Field(validation_alias="subject")
    name: str
    at: Instant
    expires_at: Instant


class Pairings(Answer):
    """Pairings, and those who ask for one."""

    pairings: list[Pairing]
    requests: list[PairingRequest]


class Unpaired(Answer):
    """A chat or user that is no longer paired."""

    channel: str
    chat: str
    paired: bool


class Grant(Answer):
    """A standing verdict."""

    id: int
    tool: str
    conversation: str
    arguments: Annotated[dict[str, str], BeforeValidator(dict)]
    expires_at: Instant
    by: str
    created_at: Instant


class Grants(Answer):
    """All standing verdicts."""

    grants: list[Grant]


class Revoked(Answer):
    """A grant that holds no longer."""

    grant: int
    revoked: bool


class Consumption(Answer):
    """A verdict that was taken: what is to run now, whole, and until when its outcome can be told."""

    ticket: str
    arguments: Any
    digest: str
    edited: bool
    """Whether these are not the arguments that were asked for."""
    approval: str
    approved_by: str
    note: str
    report_before: Instant

    @classmethod
    def taken(cls, found: RequestState) -> Self:
        """The answer for a call whose verdict was taken."""
        verdict = found.judged
        return cls.of(
            {
                "ticket": f"call:{found.conversation}",
                "arguments": parsed(found.arguments),
                "digest": verdict.digest if verdict else "",
                "edited": verdict is not None and verdict.arguments is not None,
                "approval": found.approval,
                "approved_by": verdict.by if verdict else "",
                "note": verdict.note if verdict else "",
                "report_before": found.started_at + found.external.report_s,
            }
        )


SCHEDULED_SHOWN, SCHEDULED_CHARS = 50, 200
"""Messages that wait for their time that one answer shows, and characters of each."""


class ScheduledMessage(Answer):
    """A message to be sent later."""

    id: str
    conversation: str
    send_at: float
    text: str
    by: str


class ScheduledMessages(Answer):
    """The messages to be sent later, the next one first."""

    messages: list[ScheduledMessage]
    count: int
    cancelled: bool | None = None
    """Whether the one that was named is not sent; false: its time came first."""

    @classmethod
    def of_all(cls, found: Sequence[Later], cancelled: bool | None) -> Self:
        """The first of them, each with the beginning of its text."""
        shown = [
            ScheduledMessage(
                id=each.id,
                conversation=each.conversation,
                send_at=each.send_at,
                text=each.text[:SCHEDULED_CHARS],
                by=each.by,
            )
            for each in found[:SCHEDULED_SHOWN]
        ]
        return cls(messages=shown, count=len(found), cancelled=cancelled)


class Topic(Answer):
    """What became of a topic that is to be made or changed."""

    message: str
    status: str
    conversation: str
    """Where to write in it; empty while it is not made."""
    reason: str
    repeated: bool
    warning: str = ""
