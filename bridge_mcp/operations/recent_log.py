"""The ends of logs: as much of a conversation as the next step needs, kept in memory while it is worth it.

The cache may be dropped at any line: `get` asks the store for what was appended since.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from bridge_mcp.core.entries import Forgot, Log, Logged
from bridge_mcp.core.redate import AHEAD_S, none_ahead, questions_later, shift_logged
from bridge_mcp.core.state import reaches_back_to
from bridge_mcp.core.transcript import view_begins_at
from bridge_mcp.ports import LogStore

if TYPE_CHECKING:
    from cachetools import LRUCache

__all__ = ["LogCache"]

FAR = 4
"""How many times the limit a tail may be long for the sake of the model's view; a cut ends that before long."""

KEPT = 256
"""Conversations whose tails are kept."""


class LogCache:
    """The tails of the conversations that were driven last, dated so that nothing waits for a clock that was ahead."""

    def __init__(
        self,
        log: LogStore,
        *,
        now: Callable[[], float] = lambda: math.inf,
        ahead_since: Callable[[float], float] = lambda at: 0.0,
    ) -> None:
        from cachetools import LRUCache  # only the engine has this cache; a face starts without it

        self._log = log
        self._now = now
        self._ahead_since = ahead_since
        self._kept: LRUCache[str, list[Logged]] = LRUCache(KEPT)

    async def get(self, conversation: str, limit: int) -> Log:
        """The tail as it stands in the store now. The list is the cache's own: read it, and ask again later.

        It reaches back to where the model's view begins, if that is not much further than `limit`.
        """
        cached = self._kept.pop(conversation, None)
        if cached:
            new = await self._log.load(conversation, cached[-1].seq, first=limit + 1)
            # What was forgotten since is in memory still, until all of it is read again.
            if len(new) <= limit and not any(isinstance(logged.entry, Forgot) for logged in new):
                cached.extend(self._dated(new))
                trim(cached, limit)
            else:
                cached = None  # so much was said since that most of it is of no use
        if not cached:
            entries = await self._log.tail(conversation, limit)
            if entries and entries[0].seq > view_begins_at(entries):
                entries = await self._log.tail(conversation, FAR * limit)
            cached = list(self._dated(entries))
        if cached:
            self._kept[conversation] = cached
        return cached

    def _dated(self, entries: Log) -> Log:
        """Entries as read now: one that is ahead of the clock counts as written now."""
        now = self._now()
        if any(logged.at > now + AHEAD_S for logged in entries):
            entries = tuple([none_ahead(logged, now) for logged in entries])
        if entries and self._ahead_since(entries[0].at):
            entries = tuple([questions_later(logged, self._ahead_since(logged.at)) for logged in entries])
        return entries

    def set_back(self, by: float) -> None:
        """The clock was set back by so many seconds: what waits is not to wait longer for that."""
        for cached in self._kept.values():
            cached[:] = [shift_logged(logged, -by) for logged in cached]

    def set_ahead(self, by: float) -> None:
        """The clock was set ahead by so many seconds: what people were asked stays open for as long as before."""
        for cached in self._kept.values():
            cached[:] = [questions_later(logged, by) for logged in cached]

    def known(self, conversation: str) -> Log:
        """The tail as it was read last, with what was added since; nothing where it is not kept any more."""
        return self._kept.get(conversation) or ()

    def add(self, conversation: str, *entries: Logged) -> bool:
        """Note what was appended just now; False, and nothing noted, where something came in between."""
        cached = self._kept.get(conversation)
        if not cached or cached[-1].seq + 1 != entries[0].seq:
            return False
        cached.extend(entries)
        return True


def trim(entries: list[Logged], limit: int) -> None:
    """Forget the beginning of a tail that has grown to twice its limit, but nothing that is needed."""
    if len(entries) > 2 * limit:
        needed = reaches_back_to(entries)
        if len(entries) < 2 * FAR * limit:
            needed = min(needed, view_begins_at(entries))
        spare = needed - entries[0].seq
        del entries[: min(len(entries) - limit, max(0, spare))]
