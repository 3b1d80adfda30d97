"""Copilot CLI's hooks: `preToolUse`, `permissionRequest`, and those after a call.

As documented at docs.github.com (Copilot CLI hooks reference), and as Copilot CLI 1.0.102 behaves: `ask` of a
`preToolUse` is its own prompt where somebody sits there, and a refusal with the reason where nobody does, also with
`--allow-all-tools`. An event in camel case says by its fields what it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge_mcp.hooks.events import BrokenInput, Ended, Outcome, Permission, fields_of, text_of
from bridge_mcp.hooks.hosts import Host, arguments_or_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bridge_mcp.hooks.hosts import Answer

__all__ = ["Copilot"]

BEFORE, ASKS = "preToolUse", "permissionRequest"


class Copilot(Host):
    """See `Host`."""

    name = "copilot"
    label = "Copilot CLI"

    def read(self, event: Mapping[str, Any], environment: Mapping[str, str]) -> Permission | Outcome | Ended:
        """See `Host.read`."""
        session = text_of(event, "sessionId", "session_id")
        if "toolName" not in event and "tool_name" not in event:
            if "reason" in event or "stopReason" in event or "stop_reason" in event:
                return Ended(session, "answered at the terminal, or its session went on")
            raise BrokenInput("it names no tool")
        tool = text_of(event, "toolName", "tool_name")
        arguments = given(event)
        result: object = event.get("toolResult", event.get("tool_result"))
        if result is not None:
            kind = text_of(fields_of(result), "resultType", "result_type")
            error = "" if kind == "success" else text_of(fields_of(result), "textResultForLlm", "text_result_for_llm")
            return Outcome(
                tool,
                arguments,
                session=session,
                error=error or ("" if kind == "success" else kind),
                refused=kind == "denied",
            )
        if "error" in event:
            return Outcome(tool, arguments, session=session, error=text_of(event, "error") or "it failed")
        event_name = text_of(event, "hookName", "hook_event_name").lower()
        return Permission(
            ASKS if event_name == ASKS.lower() else BEFORE,
            tool,
            arguments,
            session=session,
            folder=text_of(event, "cwd"),
            mode="headless",  # it does not say
        )

    def allow(
        self, call: Permission, arguments: Mapping[str, Any] | None = None, rules: tuple[Mapping[str, Any], ...] = ()
    ) -> Answer:
        """See `Host.allow`."""
        if call.event == ASKS:
            return {"behavior": "allow"}
        changed = {} if arguments is None else {"modifiedArgs": dict(arguments)}
        return {"permissionDecision": "allow", **changed}

    def deny(self, call: Permission, reason: str) -> Answer:
        """See `Host.deny`."""
        if call.event == ASKS:
            return {"behavior": "deny", "message": reason}
        return {"permissionDecision": "deny", "permissionDecisionReason": reason}

    def own_prompt(self, call: Permission, reason: str) -> Answer:
        """See `Host.own_prompt`."""
        return {"permissionDecision": "ask", "permissionDecisionReason": reason}

    def takes_edits(self, call: Permission) -> bool:
        """See `Host.takes_edits`."""
        return call.event == BEFORE


def given(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments of a call. Raises as `arguments_or_text`."""
    names = ("toolArgs", "toolInput", "tool_input")
    return arguments_or_text(next((event[name] for name in names if name in event), None))
