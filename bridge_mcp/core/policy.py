"""Who may do what: which call asks, what a grant covers, a turn's budget, principals and their scopes.

A `Policy` is a snapshot: `decide` reads it and nothing else, so the same log and the same policy give the same step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias, get_args

from bridge_mcp.core.entries import Call
from bridge_mcp.core.errors import BadInput, Denied
from bridge_mcp.core.tools import Confirmation, ToolSpec, parse_arguments

__all__ = ["SCOPES", "Ask", "Budget", "Free", "Gate", "Grant", "Policy", "Principal", "Refuse", "Scope"]

Scope: TypeAlias = Literal["read", "send", "approve", "tools", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever acts. `channels` limits it to conversations of these channels; empty means every channel."""

    name: str
    kind: Literal["client", "owner", "person", "bridge"] = "client"
    scopes: frozenset[Scope] = frozenset()
    channels: frozenset[str] = frozenset()

    def require(self, scope: Scope) -> None:
        """Let a holder of `scope` pass.

        Raises:
            Denied: it does not hold it; the message names the missing scope.
        """
        if scope not in self.scopes:
            held = ", ".join(s for s in SCOPES if s in self.scopes) or "none"
            raise Denied(
                f"This needs the scope '{scope}'; {self.name} has: {held}.",
                fix="The owner can add it under [clients] in bridge.toml, or with --scopes on stdio.",
            )

    def sees(self, conversation: str) -> bool:
        """Whether this conversation (or channel) lies within its limits."""
        return not self.channels or conversation.partition("/")[0] in self.channels


@dataclass(frozen=True, slots=True)
class Grant:
    """A standing verdict for calls of one shape. An empty field matches all; `expires_at` 0 is never."""

    id: int
    tool: str
    """A pattern over tool names (fnmatch)."""
    conversation: str = ""
    arguments: tuple[tuple[str, str], ...] = ()
    """Patterns over top-level arguments, as text: every named one must be there and match."""
    expires_at: float = 0.0
    by: str = ""
    created_at: float = 0.0

    def covers(self, tool: str, arguments: Mapping[str, object], conversation: str, now: float) -> bool:
        """Whether a call is of this shape, here and now."""
        if self.conversation and self.conversation != conversation:
            return False
        if self.expires_at and now >= self.expires_at:
            return False
        return fnmatchcase(tool, self.tool) and all(
            name in arguments and fnmatchcase(str(arguments[name]), pattern) for name, pattern in self.arguments
        )


@dataclass(frozen=True, slots=True)
class Budget:
    """What one turn may use. `work_s` counts the seconds in which a model or a tool was at work, not waiting people."""

    model_calls: int = 25
    tool_rounds: int = 24
    work_s: float = 900.0
    attempts: int = 4
    """How often one model call, or one repeatable tool call, is begun before it is given up."""


@dataclass(frozen=True, slots=True)
class Free:
    """The call may run; `because` goes into the log."""

    because: str


@dataclass(frozen=True, slots=True)
class Ask:
    """The call waits for a verdict; `because` is shown to whoever decides."""

    because: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """The call cannot run; the model is told why."""

    because: str


Gate: TypeAlias = Free | Ask | Refuse


@dataclass(frozen=True, slots=True)
class Policy:
    """All that `decide` may know beside the log, for one conversation."""

    conversation: str = ""
    tools: Mapping[str, ToolSpec] = field(default_factory=dict[str, ToolSpec])
    confirmation: Confirmation = "by-annotation"
    grants: tuple[Grant, ...] = ()
    budget: Budget = Budget()
    expires_s: float = 600.0
    """How long an approval waits; 0 is for ever."""
    route: str = ""
    max_parallel: int = 16
    """How many calls of one reply may run at once."""

    def gate(self, call: Call, now: float) -> Gate:
        """What stands before a call: nothing, a person, or a wall. One gate for every caller."""
        spec = self.tools.get(call.tool)
        if spec is None:
            known = ", ".join(sorted(self.tools)[:20]) or "none"
            return Refuse(f"There is no tool '{call.tool}' here. The tools are: {known}.")
        try:
            arguments = parse_arguments(call.arguments)
        except BadInput as exc:
            return Refuse(str(exc))
        if spec.changed:
            return Ask(f"{spec.tool} is no longer what it was: {spec.changed}")
        wanted = self.confirmation if spec.confirmation == "default" else spec.confirmation
        if wanted == "never":
            return Free("policy")
        if wanted != "required" and spec.read_only:
            return Free("read-only")
        for grant in self.grants:
            if grant.covers(call.tool, arguments, self.conversation, now):
                return Free(f"grant {grant.id}")
        if wanted == "required":
            return Ask(f"every call of {call.tool} is confirmed here")
        return Ask(f"{spec.tool} can change things" if spec.destructive else f"{spec.tool} is not read-only")
