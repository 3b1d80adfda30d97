"""The engine's lane that sends spans: it follows the feed, and computes the spans of what happened from the logs.

How far it has come is kept in the store, and moves only once the collector has taken the spans: a crash sends some of
them again, under the same ids. While no collector answers, nothing piles up but the feed.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing

import anyio
from cachetools import LRUCache

from bridge_mcp.core.backoff import Backoff
from bridge_mcp.core.entries import Heard, Log, Logged, Replied, Requested, Started
from bridge_mcp.core.events import Event, event_of
from bridge_mcp.core.spans import Span, spans_of
from bridge_mcp.ports import Store

__all__ = ["SpanLane"]

logger = logging.getLogger(__name__)

CONSUMER = "telemetry:spans"
"""The cursor's name among those of the feed's consumers; no client's has a colon in it."""

TOGETHER_S = 0.5
"""How long what happened is gathered: a turn is a dozen commits."""
PAGE = 200
TAIL = 400
"""Entries of a log that are read at once: the turns that are under way, mostly."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Between two attempts while the collector takes nothing."""
REMEMBERED = 10_000
"""Conversations of which it is known how far they were told."""


class SpanLane:
    """Sends the spans of all conversations, each once it has ended.

    Args:
        store: whose logs these are.
        export: sends spans; False where they were not taken.
        contents: whether spans carry texts.
    """

    def __init__(self, store: Store, export: Callable[[Sequence[Span]], Awaitable[bool]], *, contents: bool) -> None:
        self._store = store
        self._export = export
        self._contents = contents
        self._told: LRUCache[str, int] = LRUCache(REMEMBERED)
        """By conversation: the seq of the last entry whose spans were sent."""

    async def run(self) -> None:
        """Until cancelled."""
        feed, backoff = self._store.feed, Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        with closing(self._store.agenda.watch()) as changes:
            cursor = await feed.acknowledge(CONSUMER, -1) or await feed.acknowledge(CONSUMER, await feed.head())
            while True:
                page = await feed.read(cursor, PAGE)
                if page.cursor == cursor:
                    await changes.wait()
                    await anyio.sleep(TOGETHER_S)
                    continue
                spans, ends = await self._spans(page.events)
                while True:
                    if not spans or await self._export(spans):
                        break
                    await anyio.sleep(backoff.next())
                backoff.reset()
                self._told.update(ends)
                cursor = await feed.acknowledge(CONSUMER, page.cursor)

    async def _spans(self, events: Sequence[Event]) -> tuple[list[Span], Mapping[str, int]]:
        """The spans that have ended with these events, and how far each conversation has been read."""
        ended, ends = list[Span](), dict[str, int]()
        since = {event.conversation: event.at for event in reversed(events) if event.conversation}
        for conversation, at in since.items():
            log = await self._log(conversation)
            last_told = self._told.get(conversation, before(conversation, log, at))
            if log:
                spans = spans_of(conversation, log, contents=self._contents)
                ended += [span for span in spans if span.closed_by > last_told]
                ends[conversation] = log[-1].seq
        return ended, ends

    async def _log(self, conversation: str) -> Log:
        """The end of a log, from the beginning of the turns that are under way in it."""
        log = await self._store.log.load(conversation, last=TAIL)
        first = log[0].seq if log else 0
        opened = [each.entry.turn for each in log if isinstance(each.entry, Started | Replied) and each.entry.turn >= 0]
        missing = sorted({turn for turn in opened if turn < first})
        openings = [await self._store.log.entry(conversation, turn) for turn in missing[:10]]
        return [logged for logged in openings if logged and isinstance(logged.entry, Heard | Requested)] + [*log]


def before(conversation: str, log: Log, at: float) -> int:
    """The last entry that was told before an event of that time: that of the event before it.

    Entries that no event tells of are told with the next one that has some.
    """
    earlier: Sequence[Logged] = [each for each in log if each.at < at]
    for logged in reversed(earlier):
        if event_of(conversation, logged, delivered=True) is not None:
            return logged.seq
    return -1
