"""Codex's hooks: `PermissionRequest`, `PreToolUse`, `PostToolUse`, in the shapes of Claude Code's, with fewer answers.

As in codex-rs/hooks of openai/codex, and as Codex 0.171.0 sends them: yes or no, and nothing beside it. Without an
answer Codex goes on to its own prompt, or refuses where it has none. Its `PreToolUse` cannot ask: what is not refused
there runs.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge_mcp.hooks.claude_code import ASKS, BEFORE, session_of, specific
from bridge_mcp.hooks.events import Ended, Outcome, Permission, fields_of, text_of
from bridge_mcp.hooks.hosts import Host, arguments_in, unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bridge_mcp.hooks.events import Mode
    from bridge_mcp.hooks.hosts import Answer

__all__ = ["Codex"]

MODES: Mapping[str, Mode] = {"bypassPermissions": "bypass", "dontAsk": "headless"}


class Codex(Host):
    """See `Host`."""

    name = "codex"
    label = "Codex"

    def read(self, event: Mapping[str, Any], environment: Mapping[str, str]) -> Permission | Outcome | Ended:
        """See `Host.read`."""
        session = session_of(event)
        match event.get("hook_event_name"):
            case "PermissionRequest" | "PreToolUse" as name:
                return Permission(
                    name,
                    text_of(event, "tool_name"),
                    arguments_in(event.get("tool_input")),
                    session=session,
                    folder=text_of(event, "cwd"),
                    mode=MODES.get(text_of(event, "permission_mode"), "interactive"),
                    agent=text_of(event, "agent_type") if event.get("agent_id") else "",
                )
            case "PostToolUse":
                response = fields_of(event.get("tool_response"))
                error = text_of(response, "error")
                arguments = arguments_in(event.get("tool_input"))
                return Outcome(text_of(event, "tool_name"), arguments, session=session, error=error)
            case "Stop" | "SessionEnd" | "UserPromptSubmit":
                return Ended(session, "answered at the terminal, or its session went on")
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
        if call.event == BEFORE:
            return specific(BEFORE, {"permissionDecision": "deny", "permissionDecisionReason": reason})
        return specific(ASKS, {"decision": {"behavior": "deny", "message": reason}})

    def own_prompt(self, call: Permission, reason: str) -> Answer:
        """See `Host.own_prompt`."""
        return None

    def takes_edits(self, call: Permission) -> bool:
        """See `Host.takes_edits`."""
        return call.event == BEFORE
