"""What the tools answer of the bridge itself: channels, servers, tools, who was let in, grants, status."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field

from bridge_mcp.core.tool_search import first_line
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.server.tools.answers import Answer, Instant
from bridge_mcp.server.tools.excerpts import parsed

__all__ = [
    "Channels",
    "CommandAnswer",
    "Grants",
    "NestedTool",
    "Pairing",
    "Pairings",
    "Revoked",
    "Server",
    "Status",
    "ToolPage",
    "Unpaired",
    "Usage",
]


class CommandAnswer(Answer):
    conversation: str
    text: str


class Usage(Answer):
    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float | None
    """Null as soon as one call's price is unknown; `usd` is that of the others."""
    usd: float
    unpriced_calls: int = Field(validation_alias="unpriced")
    latency_s: float


class Channel(Answer):
    name: str
    type: str
    responder: str
    needs_pairing: bool
    state: str
    error: str
    last_ok: Instant
    today: Usage


class Channels(Answer):
    channels: list[Channel]


class Server(Answer):
    name: str
    state: str
    tools: int
    error: str
    restarts: int
    instructions: str


class NestedTool(Answer):
    """A tool of a nested server; as a line of a long list only what has no default."""

    name: str
    server: str
    description: str
    changed: str = ""
    """How it differs from what it was when it was trusted."""
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
    tools: list[NestedTool]
    found: int
    """How many there are on all pages."""
    cursor: str
    servers: list[Server]


class Status(Answer):
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
    warnings: list[str]


class Pairing(Answer):
    channel: str
    chat: str = Field(validation_alias="subject")
    role: str
    name: str
    by: str
    at: Instant


class PairingRequest(Answer):
    code: str
    channel: str
    chat: str = Field(validation_alias="subject")
    name: str
    at: Instant
    expires_at: Instant


class Pairings(Answer):
    pairings: list[Pairing]
    requests: list[PairingRequest]


class Unpaired(Answer):
    channel: str
    chat: str
    paired: bool


class Grant(Answer):
    id: int
    tool: str
    conversation: str
    arguments: Annotated[dict[str, str], BeforeValidator(dict)]
    expires_at: Instant
    by: str
    created_at: Instant


class Grants(Answer):
    grants: list[Grant]


class Revoked(Answer):
    grant: int
    revoked: bool
