"""Claude Code's hooks: `PermissionRequest`, `PreToolUse`, and those that tell what became of a call.

As documented at code.claude.com/docs/en/hooks, and as Claude Code 2.1.332 sends them. `PermissionRequest` comes when
Claude Code would ask, or would refuse because it cannot ask; without a decision it goes on as if there were no hook.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge_mcp.hooks.events import Ended, Outcome, Permission, fields_of, items_of, text_of
from bridge_mcp.hooks.hosts import Host, arguments_in, unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bridge_mcp.hooks.events import Mode
    from bridge_mcp.hooks.hosts import Answer

__all__ = ["ClaudeCode", "mode_of"]

ASKS, BEFORE = "PermissionRequest", "PreToolUse"
MODES: Mapping[str, Mode] = {"bypassPermissions": "bypass", "dontAsk": "headless"}


class ClaudeCode(Host):
    """See `Host`."""

    name = "claude-code"
    label = "Claude Code"

    def read(self, event: Mapping[str, Any], environment: Mapping[str, str]) -> Permission | Outcome | Ended:
        """See `Host.read`."""
        session = session_of(event)
        match event.get("hook_event_name"):
            case "PermissionRequest" | "PreToolUse" as name:
                offered: object = event.get("permission_suggestions")
                return Permission(
                    name,
                    text_of(event, "tool_name"),
                    arguments_in(event.get("tool_input")),
                    session=session,
                    folder=text_of(event, "cwd"),
                    mode=mode_of(event, environment),
                    agent=text_of(event, "agent_type") if event.get("agent_id") else "",
                    rules=standing(offered) if name == ASKS else (),
                )
            case "PostToolUse" | "PostToolUseFailure" as name:
                error = text_of(event, "error") or "it failed" if name == "PostToolUseFailure" else ""
                arguments = arguments_in(event.get("tool_input"))
                return Outcome(text_of(event, "tool_name"), arguments, session=session, error=error)
            case "SessionEnd" | "Stop" | "UserPromptSubmit":
                return Ended(session, "answered at the terminal, or its session went on")
            case name:
                raise unknown(name)

    def allow(
        self, call: Permission, arguments: Mapping[str, Any] | None = None, rules: tuple[Mapping[str, Any], ...] = ()
    ) -> Answer:
        """See `Host.allow`."""
        if call.event == BEFORE:
            changed = {} if arguments is None else {"updatedInput": dict(arguments)}
            return specific(BEFORE, {"permissionDecision": "allow", **changed})
        decision: dict[str, Any] = {"behavior": "allow"}
        if arguments is not None:
            decision["updatedInput"] = dict(arguments)
        if rules:
            decision["updatedPermissions"] = [dict(rule) for rule in rules]
        return specific(ASKS, {"decision": decision})

    def deny(self, call: Permission, reason: str) -> Answer:
        """See `Host.deny`."""
        if call.event == BEFORE:
            return specific(BEFORE, {"permissionDecision": "deny", "permissionDecisionReason": reason})
        return specific(ASKS, {"decision": {"behavior": "deny", "message": reason}})

    def own_prompt(self, call: Permission, reason: str) -> Answer:
        """See `Host.own_prompt`."""
        if call.event == BEFORE:
            return specific(BEFORE, {"permissionDecision": "ask", "permissionDecisionReason": reason})
        return None  # no decision: it asks, or refuses where it cannot


def session_of(event: Mapping[str, Any]) -> str:
    """The session; of a subagent's call the part of it that is that agent's."""
    agent = text_of(event, "agent_id")
    return f"{text_of(event, 'session_id')}/{agent}" if agent else text_of(event, "session_id")


def specific(event: str, said: Mapping[str, Any]) -> Answer:
    return {"hookSpecificOutput": {"hookEventName": event, **said}}


def mode_of(event: Mapping[str, Any], environment: Mapping[str, str]) -> Mode:
    """Whether somebody sits there: Claude Code tells its children, and says which mode it is in."""
    mode = MODES.get(text_of(event, "permission_mode"), "interactive")
    if mode == "interactive" and environment.get("CLAUDE_CODE_SESSION_ATTENDED") == "0":
        return "headless"
    return mode


def standing(offered: object) -> tuple[Mapping[str, Any], ...]:
    """Those of the host's suggestions that add rules to allow; what changes a mode or a folder answers no call."""
    each = [fields_of(one) for one in items_of(offered)]
    adding = [one for one in each if (one.get("type"), one.get("behavior")) == ("addRules", "allow")]
    return tuple([one for one in adding if one.get("rules")])
