"""Buttons as components: https://docs.discord.com/developers/components/reference#button."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge_mcp.core.entries import Button

__all__ = ["flaw", "rows"]

MAX_LABEL, MAX_ID, PER_ROW, MAX_ROWS = 80, 100, 5, 5
GREY, GREEN, RED = 2, 3, 4
STYLES = {"/approve": GREEN, "/reject": RED}


def flaw(buttons: Sequence[Button]) -> str:
    """What Discord would refuse; "" for nothing."""
    if len(buttons) > PER_ROW * MAX_ROWS:
        return f"Discord shows at most {PER_ROW * MAX_ROWS} buttons"
    if any(not 1 <= len(each.token) <= MAX_ID for each in buttons):
        return "a button has no token that Discord takes"
    return ""


def rows(buttons: Sequence[Button]) -> list[dict[str, Any]]:
    """Rows of five buttons."""
    return [
        {"type": 1, "components": [button(each) for each in buttons[first : first + PER_ROW]]}
        for first in range(0, len(buttons), PER_ROW)
    ]


def button(one: Button) -> dict[str, Any]:
    label = one.label if len(one.label) <= MAX_LABEL else f"{one.label[: MAX_LABEL - 1]}…"
    style = STYLES.get(one.value.split(" ")[0], GREY)
    return {"type": 2, "style": style, "label": label.strip() or "…", "custom_id": one.token}
