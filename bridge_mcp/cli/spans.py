"""Spans of time as people write them: 30d, 12h, 90m."""

from __future__ import annotations

import re

from bridge_mcp.core.errors import BadInput

__all__ = ["seconds"]

SPAN = re.compile(r"(\d{1,6})\s*([smhdw])")
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def seconds(text: str) -> float:
    """How long a span is.

    Raises:
        BadInput: it is none.
    """
    match = SPAN.fullmatch(text.strip())
    if match is None:
        raise BadInput(f"'{text[:40]}' is no span of time.", fix="Write one like 30d, 12h or 90m.")
    return float(int(match[1]) * UNITS[match[2]])
