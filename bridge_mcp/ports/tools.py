"""The port of the nested tool servers, and what they need of the store: the definitions that were seen before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from bridge_mcp.core.entries import TraceContext
from bridge_mcp.core.tools import JSON, ToolResult, ToolSpec

__all__ = [
    "CallContext",
    "Pins",
    "ServerState",
    "ServerStatus",
    "ToolPins",
    "ToolProgress",
    "Toolbox",
    "instructions_of",
]

ServerState: TypeAlias = Literal["connecting", "ready", "degraded", "stopped"]
"""How a nested server stands."""

ToolProgress: TypeAlias = Callable[[float, float | None, str], None]
"""Hears how far a running call is: progress so far, the total if it is known, and words ("" for none). Never blocks."""


class ServerStatus(Struct, frozen=True):
    """How one nested server is. `error` says what is wrong and the next move."""

    name: str
    state: ServerState
    tools: int = 0
    error: str = ""
    since: float = 0.0
    restarts: int = 0
    instructions: str = ""
    """How the server says its tools are best used. Written by a stranger."""
    in_prompts: str = ""
    """What of that stands in system prompts: nothing without the owner's consent, and then what was consented to."""
    instructions_changed: bool = False
    """It may speak in system prompts, and says something else now than what stands there."""
    withheld: tuple[str, ...] = ()
    """The tools that it has and its owner lets nobody use, by their names in the bridge."""
    listed: str = ""
    """Of one that one worker runs for all: a digest of its tools, by which the others see that they have changed."""


def instructions_of(server: str) -> str:
    """Under what name `Pins` keep what a server says of the use of its tools."""
    return f"{server}:instructions"


class Pins(Protocol):
    """What was seen of each server before: what its tools were when they were trusted, and its instructions.

    `subject` is the server's name for its tools, and `instructions_of` that for the other.
    """

    async def load(self, subject: str) -> Mapping[str, JSON]:
        """What was kept; empty when nothing was."""
        ...

    async def keep(self, subject: str, pinned: Mapping[str, JSON]) -> None:
        """Keep this, in place of what was kept before."""
        ...


class ToolPins(Pins, Protocol):
    """The same, with what owners accept in any process, for the engine, whose tools they are, to act upon."""

    async def accept(self, tool: str, digest: str, by: str) -> None:
        """Accept the change of a tool (`server__tool`) to this definition, in place of what was accepted before."""
        ...

    async def accepted(self, tool: str) -> tuple[str, str] | None:
        """The digest that was accepted last, and by whom."""
        ...


class CallContext(Struct, frozen=True):
    """For whom a call runs. The bridge's own tools work by it; nested servers are told nothing of it."""

    conversation: str = ""
    call: str = ""
    """The call's id in that conversation's log; "" outside of one."""
    caller: str = ""
    """Who asked for it: `assistant`, `assistant for CLIENT`, or the client's name."""
    verbatim: bool = False
    """Whether the outcome keeps the result as the server gave it."""
    trace: TraceContext | None = None
    """The trace that its server is told it is part of; None for none."""


class Toolbox(Protocol):
    """The tools of all nested servers."""

    def tools(self) -> tuple[ToolSpec, ...]:
        """The tools there are now, in a stable order; the very same tuple as long as nothing changed."""
        ...

    def status(self) -> tuple[ServerStatus, ...]:
        """The state of each server, in the order of the config."""
        ...

    async def ready(self, servers: frozenset[str], timeout_s: float) -> None:
        """Wait until each of these has been connected or has failed once, or time is up."""
        ...

    async def call(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, JSON],
        *,
        context: CallContext | None = None,
        progress: ToolProgress | None = None,
    ) -> ToolResult:
        """Run a tool. An error the tool itself reports is a result with `is_error`. Cancelling tells the server.

        Raises:
            ToolFailed: the call surely did not run.
            ToolUncertain: it may have run.
        """
        ...

    async def accept(self, spec: ToolSpec) -> None:
        """A call of a tool that has changed was approved: from now on it is known as it is here."""
        ...

    async def check(self, spec: ToolSpec, arguments: Mapping[str, JSON]) -> str:
        """What is wrong with these arguments by the tool's schema, in words the model can act on; "" if nothing is."""
        ...
