"""The port of the nested tool servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from bridge_mcp.core.tools import JSON, ToolResult, ToolSpec

__all__ = ["CallContext", "ServerState", "ServerStatus", "Toolbox"]

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


@dataclass(frozen=True, slots=True)
class CallContext:
    """For whom a call runs. The bridge's own tools work by it; nested servers are told nothing of it."""

    conversation: str = ""
    call: str = ""
    """The call's id in that conversation's log; "" outside of one."""
    caller: str = ""
    """Who asked for it: `assistant`, `assistant for CLIENT`, or the client's name."""


class Toolbox(Protocol):
    """The tools of all nested servers."""

    def tools(self) -> tuple[ToolSpec, ...]:
        """The tools there are now, in a stable order."""
        ...

    def status(self) -> tuple[ServerStatus, ...]: ...

    async def ready(self, servers: frozenset[str], timeout_s: float) -> None:
        """Wait until each of these has been connected or has failed once, or time is up."""
        ...

    async def call(
        self, spec: ToolSpec, arguments: Mapping[str, JSON], *, context: CallContext | None = None
    ) -> ToolResult:
        """Run a tool. An error the tool itself reports is a result with `is_error`.

        Raises:
            ToolFailed: the call surely did not run.
            ToolUncertain: it may have run.
        """
        ...

    def check(self, spec: ToolSpec, arguments: Mapping[str, JSON]) -> str:
        """What is wrong with these arguments by the tool's schema, in words the model can act on; "" if nothing is."""
        ...
