"""Every call's life, one after the other: what was asked about, begun or ended since a time. It only reads."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bridge_mcp.core.call_life import Life, added, begun_life, is_over
from bridge_mcp.core.entries import Logged
from bridge_mcp.core.events import Event
from bridge_mcp.ports import Store

__all__ = ["lives_since"]

PAGE = 200
TELLING = ("approval.requested", "tool.started", "tool.finished")
"""The events with which a call may be first heard of."""


async def lives_since(store: Store, since: float) -> AsyncIterator[Life]:
    """The calls that the feed tells of since then, the oldest first; no more than one is held at a time."""
    cursor = 0
    while True:
        page = await store.feed.read(cursor, PAGE, types=TELLING)
        for event in page.events:
            if event.at >= since:
                life = await life_of(store, event.conversation, str(event.body.get("call", "")))
                if is_first(event, life, since):
                    yield life
        cursor = page.cursor
        if len(page.events) < PAGE:
            return


async def life_of(store: Store, conversation: str, call: str) -> Life:
    """One call, from the log that tells of it. What cannot be read there is passed over."""
    begun, _, _ = call.partition(".")
    life, after = begun_life(conversation, call), (int(begun) if begun.isdigit() else 0) - 1
    while True:
        page = await store.log.read(conversation, after, most=PAGE)
        for logged in page:
            if isinstance(logged, Logged):
                life = added(life, logged)
        if len(page) < PAGE or is_over(life):
            return life
        after = page[-1].seq


def is_first(event: Event, life: Life, since: float) -> bool:
    """Whether no earlier event of this span has told of a call."""
    for kind, at in zip(TELLING, (life["asked_at"], life["started_at"], life["finished_at"]), strict=True):
        if isinstance(at, float) and at >= since and at:
            return event.type == kind and event.at == at
    return True
