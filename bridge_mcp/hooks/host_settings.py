"""What each host's settings have to say so that it calls `bridge-mcp hook`: in which file, below which names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from bridge_mcp.core.tools import JSON

__all__ = ["Wanted", "wanted"]

SLACK_S = 60
"""How much longer a host waits for a hook than the hook for people: a time-out is a yes to some."""
AFTER_S = 60
GEMINI_CHANGES = "run_shell_command|write_file|replace|web_fetch|save_memory|mcp_.*"
COPILOT_CHANGES = "bash|powershell|create|edit|apply_patch|web_fetch|.+-.+"
"""Tools that change things or reach out. What matches nothing here goes the host's own way."""


NOTHING: Mapping[str, JSON] = {}
ASIDE: Mapping[str, JSON] = {"async": True}
"""Claude Code does not wait for it."""
NAMED: Mapping[str, JSON] = {"name": "bridge-mcp"}


class Wanted(Struct, frozen=True):
    """The settings of one host."""

    file: Path
    entries: Mapping[str, tuple[JSON, ...]]
    """What stands below `hooks`, by event."""
    head: Mapping[str, JSON]
    """What else a new file begins with."""
    advice: str
    """What is left to do for whoever sits there."""


def wanted(
    host: str, command: str, home: Path, env: Mapping[str, str], *, wait_s: float, every_call: bool = False
) -> Wanted:
    """What a host's settings have to say.

    With `every_call` each call of its tools is asked for, also where the host would ask nobody.
    """
    patience = int(wait_s) + SLACK_S
    match host:
        case "claude-code":
            return claude_code(command, home, env, patience=patience, every_call=every_call)
        case "codex":
            return codex(command, home, env, patience=patience, every_call=every_call)
        case "cursor":
            return cursor(command, home, patience=patience, every_call=every_call)
        case "gemini":
            return gemini(command, home, patience=patience, every_call=every_call)
        case _:
            return copilot(command, home, env, patience=patience, every_call=every_call)


def group(command: str, timeout: int, matcher: str = "", more: Mapping[str, JSON] = NOTHING) -> JSON:
    """A matcher and its one hook, as Claude Code, Codex and Gemini CLI want them."""
    hook: dict[str, JSON] = {"type": "command", "command": command, "timeout": timeout, **more}
    return {"matcher": matcher, "hooks": [hook]} if matcher else {"hooks": [hook]}


def claude_code(command: str, home: Path, env: Mapping[str, str], *, patience: int, every_call: bool) -> Wanted:
    folder = Path(env.get("CLAUDE_CONFIG_DIR") or home / ".claude")
    asks = "PreToolUse" if every_call else "PermissionRequest"
    after: JSON = group(command, AFTER_S, "*", ASIDE)
    ends: JSON = group(command, AFTER_S, more=ASIDE)
    entries: dict[str, tuple[JSON, ...]] = {
        asks: (group(command, patience, "*"),),
        "PostToolUse": (after,),
        "PostToolUseFailure": (after,),
        "Stop": (ends,),
        "UserPromptSubmit": (ends,),
        "SessionEnd": (group(command, 5),),
    }
    return Wanted(folder / "settings.json", entries, head={}, advice="New sessions of Claude Code ask in the chat.")


def codex(command: str, home: Path, env: Mapping[str, str], *, patience: int, every_call: bool) -> Wanted:
    folder = Path(env.get("CODEX_HOME") or home / ".codex")
    asks = "PreToolUse" if every_call else "PermissionRequest"
    entries: dict[str, tuple[JSON, ...]] = {
        asks: (group(command, patience),),
        "PostToolUse": (group(command, AFTER_S),),
        "Stop": (group(command, AFTER_S),),
        "UserPromptSubmit": (group(command, AFTER_S),),
    }
    listed = folder / "hooks.json"  # where there is one, Codex wants all hooks in it
    file = listed if listed.exists() else folder / "config.toml"
    return Wanted(file, entries, head={}, advice="Start Codex, and trust the hook once (/hooks).")


def cursor(command: str, home: Path, *, patience: int, every_call: bool) -> Wanted:
    before: JSON = {"command": command, "timeout": patience, "failClosed": True}
    after: JSON = {"command": command, "timeout": AFTER_S}
    asks = ("preToolUse",) if every_call else ("beforeShellExecution", "beforeMCPExecution")
    after_events = ("postToolUse", "postToolUseFailure") if every_call else ("afterShellExecution", "afterMCPExecution")
    entries: dict[str, tuple[JSON, ...]] = {event: (before,) for event in asks}
    entries |= {event: (after,) for event in (*after_events, "sessionEnd")}
    return Wanted(home / ".cursor" / "hooks.json", entries, head={"version": 1}, advice="Start Cursor anew.")


def gemini(command: str, home: Path, *, patience: int, every_call: bool) -> Wanted:
    tools = "*" if every_call else GEMINI_CHANGES
    entries: dict[str, tuple[JSON, ...]] = {
        "BeforeTool": (group(command, patience * 1000, tools, more=NAMED),),
        "AfterTool": (group(command, AFTER_S * 1000, tools, more=NAMED),),
        "SessionEnd": (group(command, 5000, more=NAMED),),
    }
    advice = "A yes leaves Gemini CLI's own policy standing: with --approval-mode yolo only the chat is asked."
    return Wanted(home / ".gemini" / "settings.json", entries, head={}, advice=advice)


def copilot(command: str, home: Path, env: Mapping[str, str], *, patience: int, every_call: bool) -> Wanted:
    folder = Path(env.get("COPILOT_HOME") or home / ".copilot")
    common: dict[str, JSON] = {"type": "command", "bash": command, "powershell": command}
    tools: dict[str, JSON] = {} if every_call else {"matcher": COPILOT_CHANGES}
    after: JSON = {**common, "timeoutSec": AFTER_S, **tools}
    entries: dict[str, tuple[JSON, ...]] = {
        "preToolUse": ({**common, "timeoutSec": patience, **tools},),
        "postToolUse": (after,),
        "postToolUseFailure": ({**common, "timeoutSec": AFTER_S},),
        "sessionEnd": ({**common, "timeoutSec": 5},),
    }
    return Wanted(folder / "hooks" / "bridge-mcp.json", entries, head={"version": 1}, advice="Start Copilot CLI anew.")
