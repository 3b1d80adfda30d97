"""The ends of logs: as much of a conversation as the next step needs, kept in memory while it is worth it.

The cache may be dropped at any line: every look asks the store for what was appended since.
"""

from __future__ import annotations

from collections import OrderedDict

from bridge_mcp.core.entries import Log, Logged
from bridge_mcp.core.state import reaches_back_to
from bridge_mcp.core.transcript import begins_at
from bridge_mcp.ports import LogStore

__all__ = ["Tails", "tail"]

SHORT = 64
"""Entries that a single look at a conversation starts with."""

FAR = 4
"""How many times the limit a tail may be long for the sake of the model's view; a cut ends that before long."""


async def tail(log: LogStore, conversation: str, limit: int = SHORT) -> Log:
    """The last `limit` entries, and as many more as `decide` needs."""
    entries = await log.load(conversation, limit=limit)
    while entries and entries[0].seq > reaches_back_to(entries):
        limit *= 4
        entries = await log.load(conversation, limit=limit)
    return entries


class Tails:
    """The tails of the conversations that were driven last."""

    def __init__(self, log: LogStore, *, keep: int = 256) -> None:
        self._log = log
        self._keep = keep
        self._kept: OrderedDict[str, list[Logged]] = OrderedDict()

    async def get(self, conversation: str, limit: int) -> Log:
        """The tail as it stands in the store now. The list is the cache's own: read it, and ask again later.

        It reaches back to where the model's view begins, if that is not much further than `limit`.
        """
        kept = self._kept.pop(conversation, None)
        if kept:
            kept.extend(await self._log.load(conversation, kept[-1].seq))
            trim(kept, limit)
        else:
            kept = list(await tail(self._log, conversation, limit))
            if kept and kept[0].seq > begins_at(kept):
                kept = list(await tail(self._log, conversation, FAR * limit))
        if kept:
            self._kept[conversation] = kept
            if len(self._kept) > self._keep:
                self._kept.popitem(last=False)
        return kept

    def add(self, conversation: str, *entries: Logged) -> None:
        """Note what was appended just now, if nothing came in between: the next look is cheaper."""
        kept = self._kept.get(conversation)
        for logged in entries:
            if kept and kept[-1].seq + 1 == logged.seq:
                kept.append(logged)


def trim(kept: list[Logged], limit: int) -> None:
    """Forget the beginning of a tail that has grown to twice its limit, but nothing that is needed."""
    if len(kept) > 2 * limit:
        needed = reaches_back_to(kept)
        if len(kept) < 2 * FAR * limit:
            needed = min(needed, begins_at(kept))
        spare = needed - kept[0].seq
        del kept[: min(len(kept) - limit, max(0, spare))]
