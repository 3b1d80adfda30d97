"""Shortens texts and JSON that are too long for one result, and says how to get the rest.

Claude Code cuts a tool's result at 25,000 tokens, Claude Desktop refuses one above 1 MB. A result stays below both.
"""

from __future__ import annotations

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import JSON, read_json
from bridge_mcp.core.token_estimate import tokens_of

__all__ = ["MAX_TOKENS", "beginning", "json_shown", "parse_json", "shorten"]

MAX_TOKENS = 20_000
"""Estimated tokens of one result's text."""

SHOWN_DEPTH = 50
"""Levels of a JSON value in a result: with those of the result, it stays within the 64 that some JSON parsers read."""


def beginning(text: str, tokens: int = MAX_TOKENS) -> str:
    """The longest start of a text of at most so many tokens, to within a sixteenth."""
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


def shorten(text: str, source: str, form: str, tokens: int = MAX_TOKENS) -> tuple[str, str]:
    """The beginning of a text for a result, and how to get the rest: "" if this is all of it.

    Args:
        text: the whole text.
        source: the id of the message, ticket or approval that it belongs to.
        form: the form of `fetch_attachment` that gives it: text or json.
        tokens: how much there is room for.
    """
    excerpt = beginning(text, tokens)
    if len(excerpt) == len(text):
        return text, ""
    where = f"fetch_attachment with message={source}, form={form}, offset={len(excerpt)}"
    return excerpt, f"{len(excerpt):,} of {len(text):,} characters; the rest: {where}"


def json_shown(text: str, source: str, tokens: int = MAX_TOKENS) -> tuple[JSON, str]:
    """A JSON text as a value, or the beginning of the text if it is too long for a result.

    The second value says how to get the rest; "" if this is all of it.
    """
    excerpt, truncated = shorten(text, source, "json", tokens)
    return (f"{excerpt}…" if truncated else parse_json(text)), truncated


def parse_json(text: str) -> JSON:
    """The value of a JSON text: "" is null; a text that is no JSON, or nested too deep for some hosts, stays a text."""
    if not text:
        return None
    try:
        return read_json(text, max_depth=SHOWN_DEPTH)
    except BadJSON:
        return text
