"""What a supervisor needs of one open connection, and the three ways a call over it can fail to bring a result.

Stands between the supervisor and the client library, so that the one can be imported without the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from bridge_mcp.core.tools import JSON, ToolResult
from bridge_mcp.ports import Files, ToolProgress
from bridge_mcp.toolservers.process import Child
from bridge_mcp.toolservers.settings import ToolServer

__all__ = ["Connect", "Connection", "Hooks", "ListedTool", "Lost", "Mode", "Offered", "Refused", "Unsent"]

Mode: TypeAlias = Literal["auto", "legacy"]
"""Ask for the newest protocol era first, or begin with the handshake of the older one."""


@dataclass(frozen=True, slots=True)
class ListedTool:
    """A tool as its server lists it, with MCP's defaults where the server says nothing."""

    name: str
    description: str
    schema: str
    """Canonical JSON."""
    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool


@dataclass(frozen=True, slots=True)
class Offered:
    """What a server has. `complaint` says what was left out of it, and why."""

    tools: tuple[ListedTool, ...]
    resources: bool = False
    """Whether it has resources that may be read."""
    prompts: bool = False
    complaint: str = ""


class Unsent(Exception):
    """The request surely did not reach the server as it is now: a new connection may try again."""


class Refused(Exception):
    """The server turned the request down without running anything."""


class Lost(Exception):
    """The request went out, and no usable answer came back."""


class Connection(Protocol):
    """One open connection. Calls may come from any task; they run side by side."""

    @property
    def alive(self) -> bool:
        """Whether a request could be sent now."""
        ...

    @property
    def instructions(self) -> str:
        """How the server says it is best used."""
        ...

    async def offered(self) -> Offered:
        """What the server has now, as far as its owner allows it."""
        ...

    async def call(self, tool: str, arguments: Mapping[str, JSON], progress: ToolProgress | None = None) -> ToolResult:
        """Run a tool. Cancelling tells the server. With `progress`, it is asked to tell how far it is.

        Raises:
            Unsent, Refused, Lost: see there.
        """
        ...

    async def read_resource(self, uri: str) -> ToolResult:
        """A resource; or, with an empty `uri`, which there are. Raises as `call`."""
        ...

    async def get_prompt(self, name: str, arguments: Mapping[str, str]) -> ToolResult:
        """A prompt; or, with an empty name, which there are. Raises as `call`."""
        ...

    async def follow(self, changed: Callable[[], None]) -> None:
        """Keep asking for news of the tool list where that takes a request of its own; returns where it does not."""
        ...


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a connection tells of itself, and what it may use."""

    down: Callable[[str], None]
    """It is of no more use, for this reason."""
    changed: Callable[[], None]
    """What the server offers is stale."""
    files: Files | None = None
    """Where the bytes of results are kept."""
    tokens: Path | None = None
    """The folder of what logging in by OAuth gave; without it, nobody is logged in."""


class Connect(Protocol):
    """Opens connections."""

    def __call__(
        self, server: ToolServer, child: Child | None, mode: Mode, hooks: Hooks
    ) -> AbstractAsyncContextManager[Connection]:
        """Connect to a server: over its child's pipes, or to its url. The caller limits the time it may take."""
        ...
