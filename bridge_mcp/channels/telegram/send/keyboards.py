"""Reply markup: inline buttons in rows that can be read on a phone, or a forced reply.

Knows which buttons Telegram accepts, not what pressing one means.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from telegram import ForceReply, InlineKeyboardButton, InlineKeyboardMarkup

from bridge_mcp.channels.telegram.text.marked_text import units, visible
from bridge_mcp.core.entries import Button

__all__ = ["flaw", "keyboard", "reply_wanted"]

MAX_BUTTONS = 100
MAX_DATA = 64
"""Bytes of `callback_data`."""
COLUMNS = ((4, 5), (3, 8), (2, 16))
"""Pairs of (buttons in a row, characters of the longest label) that fit on a phone."""
PLACEHOLDER = "Your answer"


def keyboard(buttons: Sequence[Button]) -> InlineKeyboardMarkup | None:
    """The buttons in rows of equal length, if possible; None for none. Check them with `flaw` first."""
    if not buttons:
        return None
    longest = max(units(button.label) for button in buttons)
    columns = next((columns for columns, most in COLUMNS if longest <= most), 1)
    rows = -(-len(buttons) // columns)
    keys = [InlineKeyboardButton(button.label, callback_data=data(button)) for button in buttons]
    borders = [len(keys) * row // rows for row in range(rows + 1)]
    return InlineKeyboardMarkup([keys[start:end] for start, end in pairwise(borders)])


def reply_wanted(*, reply: bool) -> ForceReply:
    """Opens the reply field: in a group, a bot in privacy mode sees no answer but a reply.

    With `reply`, only for the person whose message this one replies to.
    """
    return ForceReply(selective=reply or None, input_field_placeholder=PLACEHOLDER)


def data(button: Button) -> str:
    """The button's `callback_data`."""
    return button.token or button.value


def flaw(buttons: Sequence[Button]) -> str:
    """Why Telegram would refuse these buttons; empty if it would not."""
    if len(buttons) > MAX_BUTTONS:
        return f"a message has at most {MAX_BUTTONS} buttons, not {len(buttons)}"
    for button in buttons:
        if not visible(button.label):
            return "a button has no label"
        size = len(data(button).encode("utf-8", "surrogatepass"))
        if size == 0:
            return f"the button '{button.label}' has no value"
        if size > MAX_DATA:
            return f"the value of the button '{button.label}' has {size} bytes, and at most {MAX_DATA} come back"
    return ""
