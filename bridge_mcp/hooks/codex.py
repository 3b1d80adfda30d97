"""Codex's hooks: `PermissionRequest`, `PreToolUse`, `PostToolUse`, in the shapes of Claude Code's, with fewer answers.

As in codex-rs/hooks of openai/codex, and as Codex 0.171.0 sends them: yes or no, and nothing beside it. Without an
answer Codex goes on to its own prompt, or refuses where it has none. Its `PreToolUse` cannot ask: what is not refused
there runs.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge_mcp.hooks.claude_code import (
    ASKS,
    BEFORE,
    MODES,
    WENT_ON,
    denied,
    outcome_of,
    permission_of,
    session_of,
    specific,
)
from bridge_mcp.hooks.events import Ended, Outcome, Permission, fields_of, text_of
from bridge_mcp.hooks.hosts import Host, unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bridge_mcp.hooks.hosts import Answer

__all__ = ["Codex"]


class Codex(Host):
    """See `Host`."""

    name = "codex"
    label = "Codex"

    def read(self, event: Mapping[str, Any], environment: Mapping[str, str]) -> Permission | Outcome | Ended:
        """See `Host.read`."""
        match event.get("hook_event_name"):
            case "PermissionRequest" | "PreToolUse" as name:
                return permission_of(event, name, MODES.get(text_of(event, "permission_mode"), "interactive"))
            case "PostToolUse":
                return outcome_of(event, text_of(fields_of(event.get("tool_response")), "error"))
            case "Stop" | "SessionEnd" | "UserPromptSubmit":
                return Ended(session_of(event), WENT_ON)
            case name:
                raise unknown(name)

    def allow(
        self, call: Permission, arguments: Mapping[str, Any] | None = None, rules: tuple[Mapping[str, Any], ...] = ()
    ) -> Answer:
        """See `Host.allow`."""
        if call.event == BEFORE:
            if arguments is None:
                return None  # what is not refused runs
            return specific(BEFORE, {"permissionDecision": "allow", "updatedInput": dict(arguments)})
        return specific(ASKS, {"decision": {"behavior": "allow"}})

    def deny(self, call: Permission, reason: str) -> Answer:
        """See `Host.deny`."""
        return denied(call, reason)

    def own_prompt(self, call: Permission, reason: str) -> Answer:
        """See `Host.own_prompt`."""
        return None

    def takes_edits(self, call: Permission) -> bool:
        """See `Host.takes_edits`."""
        return call.event == BEFORE
