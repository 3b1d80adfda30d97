"""What the commands say to people, by group: sentences, ready to be translated, and nothing else.

The values in them are ready to be shown: whoever calls has made them `visible`. What commands say of themselves
(`--help`) is their docstrings, and an error is worded where it is raised.
"""

from __future__ import annotations

__all__ = ["ERROR", "NOTE", "counted"]

ERROR = "error: "
NOTE = "note: "
"""What a line on standard error begins with."""


def counted(number: int, noun: str) -> str:
    """A number of things: `1 approval`, `2 approvals`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
