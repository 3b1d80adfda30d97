"""Plays the settings file of an MCP host: what `bridge-mcp servers import` makes of it."""

from __future__ import annotations

from pathlib import Path

from bridge_mcp.config.host_files import decoded
from bridge_mcp.config.importing import imported
from bridge_mcp.config.load import complaint
from bridge_mcp.core.errors import BridgeError

__all__ = ["play"]


def play(path: Path) -> str:
    """The sections written, what was left out and why, what became of secrets, and whether the result is a config."""
    try:
        found = imported(decoded(path.read_bytes()), ())
    except BridgeError as exc:
        return f"refused: {exc}"
    lines: list[str] = []
    for each in found:
        lines.append(f"{'+' if each.section else '-'} {each.name}")
        lines += [f"    {line}" for line in each.section.splitlines()]
        lines += [f"    # {note}" for note in each.notes]
    wrong = complaint("\n".join(each.section for each in found))
    lines.append(f"{sum(bool(each.section) for each in found)} of {len(found)} servers taken over")
    lines.append(f"as a bridge.toml: {wrong or 'fine'}")
    return "\n".join(lines)
