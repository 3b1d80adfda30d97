"""Durable readers of the feed: a job that looks at each event of some types once, and goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing
from typing import Any

import anyio

from bridge_mcp.core.events import Event, EventType
from bridge_mcp.ports import Store

__all__ = ["follow_feed"]

PAGE = 100


async def follow_feed(
    store: Store,
    reader: str,
    types: Sequence[EventType],
    handle: Callable[[Event], Coroutine[Any, Any, None]],
    *,
    from_now: bool = False,
    at_once: int = 1,
    of_conversations: bool = True,
) -> None:
    """Handle each event of these types, in order, until cancelled.

    A crash handles some events again, so `handle` writes under idempotency keys.

    Args:
        store: whose feed it is; the reader's cursor is kept there.
        reader: the cursor's name among those of the feed's consumers. No client's name has a slash or a space.
        types: the events that are handled.
        handle: what is done with one; a failure ends the reader, and the event is handled again when it restarts.
        from_now: a reader that has never read begins with new events; otherwise with the oldest there are.
        at_once: how many events are handled at the same time.
        of_conversations: False where no entry of a log makes these events, so that none needs to wake the reader.
    """
    feed = store.feed
    with closing(store.agenda.watch(conversations=of_conversations)) as changes:
        cursor = await feed.acknowledge(reader, -1)
        if from_now and not cursor:
            cursor = await feed.acknowledge(reader, await feed.head())
        while True:
            page = await feed.read(cursor, PAGE, types=types)
            for start in range(0, len(page.events), at_once):
                await handle_together(page.events[start : start + at_once], handle)
            if page.events or (from_now and page.cursor > cursor):  # a reader at 0 would begin anew
                await feed.acknowledge(reader, page.cursor)
            cursor = page.cursor
            if len(page.events) < PAGE:
                await changes.wait()


async def handle_together(events: Sequence[Event], handle: Callable[[Event], Coroutine[Any, Any, None]]) -> None:
    """Handle these at the same time; a single one without a task of its own, so that its failure stays plain."""
    if len(events) == 1:
        await handle(events[0])
        return
    async with anyio.create_task_group() as tasks:
        for event in events:
            tasks.start_soon(handle, event)
