"""Pages that fit into one result: by size and not only by number, since hosts cut or refuse larger ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from bridge_mcp.core.token_estimate import tokens_of
from bridge_mcp.server.tools.answers import Answer
from bridge_mcp.server.tools.excerpts import MAX_TOKENS
from bridge_mcp.server.tools.json_text import compact

__all__ = ["fitting", "page"]

P = TypeVar("P", bound=Answer)


def fitting(items: Sequence[Any], tokens: int = MAX_TOKENS) -> int:
    """How many of these JSON values, from the first on, fit into one result; at least one if there are any."""
    if tokens_of(compact(items)) <= tokens:
        return len(items)
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
    """A page of at most `limit` items that fits into one result; `ask` is called again for a shorter one if necessary.

    Args:
        ask: returns a page of so many items.
        items: the name of its list.
        limit: how many are wanted.
        newest_last: whether a shorter page drops items from its beginning.
        tokens: how much there is room for.
    """
    answer = await ask(limit)
    values: Sequence[Any] = answer.as_json()[items]
    fits = fitting(values[::-1] if newest_last else values, tokens)
    return answer if fits == len(values) else await ask(fits)
