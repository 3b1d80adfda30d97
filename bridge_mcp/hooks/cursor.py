"""Cursor's hooks: before and after shell commands and MCP calls, and before any tool.

As documented at cursor.com/docs/hooks. Cursor reads silence, and a hook that fails, as a yes: so there is always an
answer, and the settings say `failClosed`. It enforces `ask` for shell commands and MCP calls only.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge_mcp.hooks.events import Ended, Outcome, Permission, items_of, text_of
from bridge_mcp.hooks.hosts import Host, arguments_or_text, unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bridge_mcp.hooks.hosts import Answer

__all__ = ["Cursor"]

SHELL, MCP, ANY = "beforeShellExecution", "beforeMCPExecution", "preToolUse"


class Cursor(Host):
    """See `Host`."""

    name = "cursor"
    label = "Cursor"

    def read(self, event: Mapping[str, Any], environment: Mapping[str, str]) -> Permission | Outcome | Ended:
        """See `Host.read`."""
        session = text_of(event, "conversation_id", "session_id")
        match event.get("hook_event_name"):
            case "beforeShellExecution" | "beforeMCPExecution" | "preToolUse" as name:
                tool, arguments = called(event)
                server = text_of(event, "url", "command") if name == MCP else ""
                return Permission(
                    name,
                    tool,
                    arguments,
                    session=session,
                    folder=text_of(event, "cwd") or first_root(event.get("workspace_roots")),
                    mode="interactive",  # it does not say
                    server=server,
                )
            case "afterShellExecution" | "afterMCPExecution" | "postToolUse":
                tool, arguments = called(event)
                return Outcome(tool, arguments, session=session)
            case "postToolUseFailure":
                tool, arguments = called(event)
                error = text_of(event, "error_message") or "it failed"
                refused = event.get("failure_type") == "permission_denied"
                return Outcome(tool, arguments, session=session, error=error, refused=refused)
            case "stop" | "sessionEnd":
                return Ended(session, "answered in Cursor, or its session went on")
            case name:
                raise unknown(name)

    def allow(
        self, call: Permission, arguments: Mapping[str, Any] | None = None, rules: tuple[Mapping[str, Any], ...] = ()
    ) -> Answer:
        """See `Host.allow`."""
        changed = {} if arguments is None else {"updated_input": dict(arguments)}
        return {"permission": "allow", **changed}

    def deny(self, call: Permission, reason: str) -> Answer:
        """See `Host.deny`."""
        return {"permission": "deny", "user_message": reason, "agent_message": reason}

    def own_prompt(self, call: Permission, reason: str) -> Answer:
        """See `Host.own_prompt`."""
        return {"permission": "ask", "user_message": reason}

    def takes_edits(self, call: Permission) -> bool:
        """See `Host.takes_edits`."""
        return call.event == ANY


def called(event: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The tool and the arguments of a call; of a shell command these are its text.

    Raises:
        BrokenInput: the arguments are no JSON object.
    """
    tool: object = event.get("tool_name")
    if not isinstance(tool, str):
        return "Shell", {"command": text_of(event, "command")}
    return tool, arguments_or_text(event.get("tool_input"))


def first_root(roots: object) -> str:
    """The first folder of the workspace."""
    return next((root for root in items_of(roots) if isinstance(root, str)), "")
