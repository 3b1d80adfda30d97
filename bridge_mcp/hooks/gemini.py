"""Gemini CLI's hooks: `BeforeTool` and `AfterTool`.

As documented in gemini-cli's docs/hooks/reference.md, and as Gemini CLI 0.61.0 behaves. A yes leaves its own policy
standing: it asks once more unless that policy lets the tool run. It does not say whether anybody sits there, and waits
for ever where a hook has it ask and nobody does; so it is refused, unless the command says that somebody is there.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge_mcp.hooks.events import Ended, Outcome, Permission, fields_of, text_of
from bridge_mcp.hooks.hosts import Host, arguments_in, unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bridge_mcp.hooks.hosts import Answer

__all__ = ["Gemini"]

BEFORE = "BeforeTool"


class Gemini(Host):
    """See `Host`."""

    name = "gemini"
    label = "Gemini CLI"

    def read(self, event: Mapping[str, Any], environment: Mapping[str, str]) -> Permission | Outcome | Ended:
        """See `Host.read`."""
        session = text_of(event, "session_id")
        match event.get("hook_event_name"):
            case "BeforeTool":
                return Permission(
                    BEFORE,
                    text_of(event, "tool_name"),
                    arguments_in(event.get("tool_input")),
                    session=session,
                    folder=text_of(event, "cwd"),
                    mode="headless",  # it does not say
                    server=text_of(fields_of(event.get("mcp_context")), "url", "command"),
                )
            case "AfterTool":
                response = fields_of(event.get("tool_response"))
                failed: object = response.get("error")
                error = text_of(fields_of(failed), "message") or (str(failed) if failed else "")
                arguments = arguments_in(event.get("tool_input"))
                return Outcome(text_of(event, "tool_name"), arguments, session=session, error=error)
            case "SessionEnd" | "BeforeAgent":
                return Ended(session, "its session went on, or ended")
            case name:
                raise unknown(name)

    def allow(
        self, call: Permission, arguments: Mapping[str, Any] | None = None, rules: tuple[Mapping[str, Any], ...] = ()
    ) -> Answer:
        """See `Host.allow`."""
        changed = {} if arguments is None else {"hookSpecificOutput": {"tool_input": dict(arguments)}}
        return {"decision": "allow", **changed}

    def deny(self, call: Permission, reason: str) -> Answer:
        """See `Host.deny`."""
        return {"decision": "deny", "reason": reason}

    def own_prompt(self, call: Permission, reason: str) -> Answer:
        """See `Host.own_prompt`."""
        return {"decision": "ask", "systemMessage": reason}
