"""The port of a supervisor to one open connection, and the three ways in which a call over it can fail.

Separates the supervisor from the client library, so that it can be imported without that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from bridge_mcp.core.tools import JSON, ToolResult
from bridge_mcp.ports import Files, ToolProgress
from bridge_mcp.toolservers.process import Child
from bridge_mcp.toolservers.settings import ToolServer

__all__ = [
    "Completion",
    "Connect",
    "Connection",
    "ConnectionHooks",
    "ListedTool",
    "Lost",
    "Mode",
    "RequestRefused",
    "ServerPrimitives",
    "Unsent",
]

Mode: TypeAlias = Literal["auto", "legacy"]
"""Try the newest protocol era first, or begin with the handshake of the older one."""


class ListedTool(Struct, frozen=True):
    """A tool as its server lists it, with MCP's defaults where the server says nothing."""

    name: str
    description: str
    schema: str
    """Canonical JSON."""
    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool
    listed: str = ""
    """The tool as its server lists it, as canonical JSON; empty where that is not known."""


class ServerPrimitives(Struct, frozen=True):
    """A server's tools, resources and prompts. `complaint` says what was left out, and why."""

    tools: tuple[ListedTool, ...]
    resources: str = ""
    """The `resources` and `resourceTemplates` that the owner allows, as the server lists them, as canonical JSON;
    empty where it has none to allow."""
    prompts: str = ""
    """The same for `prompts`."""
    complaint: str = ""


class Completion(Struct, frozen=True):
    """A request for what an argument of a prompt, or of a URI template, may be."""

    argument: str
    value: str
    """How it begins."""
    known: Mapping[str, str]
    """The arguments that are known already."""


class Unsent(Exception):
    """The request surely did not reach the server: it may be retried on a new connection."""


class RequestRefused(Exception):
    """The server refused the request without running anything."""


class Lost(Exception):
    """The request was sent, and no usable response came back: its fate is unknown."""


class Connection(Protocol):
    """One open connection. Calls may come from any task, and run concurrently."""

    @property
    def alive(self) -> bool:
        """Whether a request could be sent now."""
        ...

    @property
    def instructions(self) -> str:
        """The `instructions` of the server's `initialize` result."""
        ...

    async def list_primitives(self) -> ServerPrimitives:
        """List what the server has, as far as its owner allows it."""
        ...

    async def call(self, tool: str, arguments: Mapping[str, JSON], progress: ToolProgress | None = None) -> ToolResult:
        """Run a tool. Cancelling sends a cancellation to the server. With `progress`, a progress token is sent.

        Raises:
            Unsent, RequestRefused, Lost: see there.
        """
        ...

    async def read_resource(self, uri: str, complete: Completion | None = None) -> ToolResult:
        """The contents of a resource; or, with an empty `uri`, the list of resources. Raises as `call`."""
        ...

    async def get_prompt(
        self, name: str, arguments: Mapping[str, str], complete: Completion | None = None
    ) -> ToolResult:
        """A prompt; or, with an empty name, the list of prompts. Raises as `call`."""
        ...

    async def follow(self, changed: Callable[[], None]) -> None:
        """Subscribe to changes of the lists, if that takes a request (2026-07-28); else return at once."""
        ...


class ConnectionHooks(Struct, frozen=True):
    """Callbacks of a connection, and what it may use."""

    down: Callable[[str], None]
    """Called with the reason when the connection is broken."""
    changed: Callable[[], None]
    """Called when the list of tools, resources or prompts is stale."""
    files: Files | None = None
    """Stores the bytes of results."""
    tokens: Path | None = None
    """The folder of OAuth tokens; None: no login."""


class Connect(Protocol):
    """Opens connections."""

    def __call__(
        self, server: ToolServer, child: Child | None, mode: Mode, hooks: ConnectionHooks
    ) -> AbstractAsyncContextManager[Connection]:
        """Connect to a server over its child's pipes, or to its url. The caller sets the time-out."""
        ...
