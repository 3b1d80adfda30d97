"""The beginnings of what is too long for one answer, with words on how to get at the rest.

Claude Code cuts a tool's result at 25,000 tokens, Claude Desktop refuses one above 1 MB. An answer stays below both.
"""

from __future__ import annotations

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import JSON, read_json
from bridge_mcp.core.token_estimate import tokens_of

__all__ = ["MAX_TOKENS", "beginning", "json_shown", "parsed", "shortened"]

MAX_TOKENS = 20_000
"""Estimated tokens of one answer's text."""

SHOWN_DEPTH = 50
"""Levels of a value inside an answer. With the answer around it, it stays within the 64 that some JSON parsers read."""


def beginning(text: str, tokens: int = MAX_TOKENS) -> str:
    """The longest start of a text that is at most so many tokens, to within a sixteenth; the text if all of it is."""
    if tokens_of(text) <= tokens:
        return text
    # No character is less than a third of a token, so a longer start cannot fit.
    low, high = 0, min(len(text), 3 * tokens)
    while high - low > max(1, low // 16):
        middle = (low + high) // 2
        if tokens_of(text[:middle]) <= tokens:
            low = middle
        else:
            high = middle
    return text[:low]


def shortened(text: str, of: str, form: str, tokens: int = MAX_TOKENS) -> tuple[str, str]:
    """What an answer shows of a text that others wrote, and how to get at the rest: "" where this is all of it.

    Args:
        text: the whole text.
        of: the id of the message, ticket or approval that it belongs to.
        form: the form of `fetch_attachment` that gives it: text or json.
        tokens: how much there is room for.
    """
    shown = beginning(text, tokens)
    if len(shown) == len(text):
        return text, ""
    where = f"fetch_attachment with message={of}, form={form}, offset={len(shown)}"
    return shown, f"{len(shown):,} of {len(text):,} characters; the rest: {where}"


def json_shown(text: str, of: str, tokens: int = MAX_TOKENS) -> tuple[JSON, str]:
    """JSON that others wrote, as what it says or, where it is too long for an answer, as the beginning of its text.

    The second value says how to get at the rest; "" where this is all of it.
    """
    shown, truncated = shortened(text, of, "json", tokens)
    return (f"{shown}…" if truncated else parsed(text)), truncated


def parsed(text: str) -> JSON:
    """What a JSON text says; nothing as null, and as it is a text that is no JSON or deeper than some hosts read."""
    if not text:
        return None
    try:
        return read_json(text, max_depth=SHOWN_DEPTH)
    except BadJSON:
        return text
