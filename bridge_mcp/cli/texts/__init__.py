"""What the commands say to people, by group: sentences, ready to be translated, and nothing else.

The values in them are ready to be shown: whoever calls has made them `visible`. What commands say of themselves
(`--help`) is their docstrings, and an error is worded where it is raised.
"""

from __future__ import annotations

__all__ = ["ERROR", "NOTE", "NO_ENGINE", "config_passed_over", "counted", "is_in", "last_seen", "was_ago"]

ERROR = "error: "
NOTE = "note: "
"""What a line on standard error begins with."""

NO_ENGINE = "No engine is running: it happens once one does (a host that uses the bridge, bridge-mcp serve, or chat)."


def was_ago(span: str) -> str:
    """How long ago."""
    return f"{span} ago"


def is_in(span: str) -> str:
    """In how long."""
    return f"in {span}"


def last_seen(state: str) -> str:
    """How something was, while nobody can say how it is."""
    return "not seen yet" if state == "unknown" else f"{state} when last seen"


def config_passed_over(path: str, option: str) -> str:
    """Why a file that lies in the working folder was not read, and what would have it read."""
    return f"{path} is not taken by itself; to use it: --config {option}"


def counted(number: int, noun: str) -> str:
    """A number of things: `1 approval`, `2 approvals`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
