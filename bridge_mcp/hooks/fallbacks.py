"""What a hook answers where the bridge cannot decide: no engine, no approver, nobody in time, an input that is broken.

For each host, event and mode it is the host's own prompt where the host then surely asks, or surely refuses by itself;
and else no, with the reason. Nothing in it is a yes: several hosts read silence, a failure or a time-out as one.
"""

from __future__ import annotations

from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from bridge_mcp.hooks.events import Mode

    Fallback: TypeAlias = Literal["prompt", "deny"]

__all__ = ["FALLBACKS"]

FALLBACKS: Mapping[tuple[str, str], Mapping[Mode, Fallback]] = {
    # It asks because it would ask anyway; without a decision it does, or it refuses where it cannot.
    ("claude-code", "PermissionRequest"): {"interactive": "prompt", "headless": "deny", "bypass": "prompt"},
    # In bypass mode it would run the call.
    ("claude-code", "PreToolUse"): {"interactive": "prompt", "headless": "deny", "bypass": "deny"},
    ("codex", "PermissionRequest"): {"interactive": "prompt", "headless": "deny", "bypass": "deny"},
    # It cannot be told to ask here: what is not refused runs.
    ("codex", "PreToolUse"): {"interactive": "deny", "headless": "deny", "bypass": "deny"},
    ("cursor", "beforeShellExecution"): {"interactive": "prompt", "headless": "deny", "bypass": "deny"},
    ("cursor", "beforeMCPExecution"): {"interactive": "prompt", "headless": "deny", "bypass": "deny"},
    # It takes `ask` here, and does not ask.
    ("cursor", "preToolUse"): {"interactive": "deny", "headless": "deny", "bypass": "deny"},
    # Told to ask where nobody is, it waits for ever.
    ("gemini", "BeforeTool"): {"interactive": "prompt", "headless": "deny", "bypass": "deny"},
    # Told to ask where nobody is, it refuses and gives the reason, whatever it was allowed.
    ("copilot", "preToolUse"): {"interactive": "prompt", "headless": "prompt", "bypass": "prompt"},
    # It cannot be told to ask here, and may have been allowed everything.
    ("copilot", "permissionRequest"): {"interactive": "deny", "headless": "deny", "bypass": "deny"},
}
