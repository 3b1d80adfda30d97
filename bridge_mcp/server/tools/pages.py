"""How much one answer holds: by size and not only by number, since hosts cut off or refuse what is larger.

Claude Code cuts a tool's result at 25,000 tokens, Claude Desktop refuses one above 1 MB. An answer stays below both,
and says how to read on. Knows no tool.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from bridge_mcp.core.token_estimate import tokens_of
from bridge_mcp.server.tools.json_text import compact

__all__ = ["MAX_TOKENS", "beginning", "fitting", "page", "shortened"]

MAX_TOKENS = 20_000
"""Estimated tokens of one answer's text."""

P = TypeVar("P", bound=Mapping[str, Any])


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


def fitting(items: Sequence[Any], tokens: int = MAX_TOKENS) -> int:
    """How many of these JSON values one answer holds, from the first on; at least one where there are any."""
    left = tokens
    for number, item in enumerate(items):
        left -= tokens_of(compact(item))
        if left < 0:
            return max(1, number)
    return len(items)


async def page(
    ask: Callable[[int], Awaitable[P]],
    items: str,
    limit: int,
    *,
    newest_last: bool = False,
    tokens: int = MAX_TOKENS,
) -> P:
    """A page of at most `limit` items that one answer holds; asked for again, shorter, where it would be too large.

    Args:
        ask: gives the page of so many items.
        items: the name of the list in it.
        limit: how many are wanted.
        newest_last: whether a shorter page drops items from its beginning.
        tokens: how much there is room for.
    """
    whole = await ask(limit)
    listed: Sequence[Any] = whole[items]
    fits = fitting(listed[::-1] if newest_last else listed, tokens)
    return whole if fits == len(listed) else await ask(fits)
