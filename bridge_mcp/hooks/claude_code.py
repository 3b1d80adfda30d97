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

__all__ = [
    "ASKS",
    "BEFORE",
    "MODES",
    "WENT_ON",
    "ClaudeCode",
    "denied",
    "mode_of",
    "outcome_of",
    "permission_of",
    "session_of",
    "specific",
]

ASKS, BEFORE = "PermissionRequest", "PreToolUse"
MODES: Mapping[str, Mode] = {"bypassPermissions": "bypass", "dontAsk": "headless"}
WENT_ON = "answered at the terminal, or its session went on"
"""Why nobody waits for a session's prompts any more."""


class ClaudeCode(Host):
    """See `Host`."""

    name = "claude-code"
    label = "Claude Code"

    def read(self, event: Mapping[str, Any], environment: Mapping[str, str]) -> Permission | Outcome | Ended:
        """See `Host.read`."""
        match event.get("hook_event_name"):
            case "PermissionRequest":
                offered = standing(event.get("permission_suggestions"))
                return permission_of(event, ASKS, mode_of(event, environment), offered)
            case "PreToolUse":
                return permission_of(event, BEFORE, mode_of(event, environment))
            case "PostToolUse":
                return outcome_of(event, error="")
            case "PostToolUseFailure":
                return outcome_of(event, text_of(event, "error") or "it failed")
            case "SessionEnd" | "Stop" | "UserPromptSubmit":
                return Ended(session_of(event), WENT_ON)
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
        return denied(call, reason)

    def own_prompt(self, call: Permission, reason: str) -> Answer:
        """See `Host.own_prompt`."""
        if call.event == BEFORE:
            return specific(BEFORE, {"permissionDecision": "ask", "permissionDecisionReason": reason})
        return None  # no decision: it asks, or refuses where it cannot


def session_of(event: Mapping[str, Any]) -> str:
    """The session; of a subagent's call the part of it that is that agent's."""
    agent = text_of(event, "agent_id")
    return f"{text_of(event, 'session_id')}/{agent}" if agent else text_of(event, "session_id")


def permission_of(
    event: Mapping[str, Any], name: str, mode: Mode, rules: tuple[Mapping[str, Any], ...] = ()
) -> Permission:
    """The call that the event `name` asks about."""
    return Permission(
        name,
        text_of(event, "tool_name"),
        arguments_in(event.get("tool_input")),
        session=session_of(event),
        folder=text_of(event, "cwd"),
        mode=mode,
        agent=text_of(event, "agent_type") if event.get("agent_id") else "",
        rules=rules,
    )


def outcome_of(event: Mapping[str, Any], error: str) -> Outcome:
    """What became of the call that an event tells of."""
    arguments = arguments_in(event.get("tool_input"))
    return Outcome(text_of(event, "tool_name"), arguments, session=session_of(event), error=error)


def denied(call: Permission, reason: str) -> Answer:
    """No, and why."""
    if call.event == BEFORE:
        return specific(BEFORE, {"permissionDecision": "deny", "permissionDecisionReason": reason})
    return specific(ASKS, {"decision": {"behavior": "deny", "message": reason}})


def specific(event: str, fields: Mapping[str, Any]) -> Answer:
    """An answer to one kind of event."""
    return {"hookSpecificOutput": {"hookEventName": event, **fields}}


def mode_of(event: Mapping[str, Any], environment: Mapping[str, str]) -> Mode:
    """Whether somebody sits there: Claude Code tells its children, and says which mode it is in."""
    mode = MODES.get(text_of(event, "permission_mode"), "interactive")
    if mode == "interactive" and environment.get("CLAUDE_CODE_SESSION_ATTENDED") == "0":
        return "headless"
    return mode


def standing(offered: object) -> tuple[Mapping[str, Any], ...]:
    """Those of the host's suggestions that add rules to allow; what changes a mode or a folder answers no call."""
    suggestions = [fields_of(item) for item in items_of(offered)]
    adding = [item for item in suggestions if (item.get("type"), item.get("behavior")) == ("addRules", "allow")]
    return tuple([item for item in adding if item.get("rules")])
