"""Every call's life, one after the other: what was asked about, begun or ended since a time. It only reads.

It is found in the logs themselves: the feed forgets its older events.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from bridge_mcp.core.call_life import Life, is_over, life_after, new_life
from bridge_mcp.core.entries import Logged, call_origin
from bridge_mcp.ports import Store

__all__ = ["MAX_CALLS", "lives_since"]

PAGE = 200
MAX_CALLS = 1_000_000
"""Calls of one export, the newest."""


async def lives_since(store: Store, since: float) -> AsyncIterator[Life]:
    """The calls of the logs since then, the oldest first, at most so many of the newest; one is held at a time."""
    for conversation, call in await store.log.calls_since(since, MAX_CALLS):
        yield await life_of(store, conversation, call)


async def life_of(store: Store, conversation: str, call: str) -> Life:
    """One call, from the log that tells of it. What cannot be read there is passed over."""
    life, after = new_life(conversation, call), (call_origin(call) or 0) - 1
    while True:
        page = await store.log.read(conversation, after, first=PAGE)
        for logged in page:
            if isinstance(logged, Logged):
                life = life_after(life, logged)
        if len(page) < PAGE or is_over(life):
            return life
        after = page[-1].seq
