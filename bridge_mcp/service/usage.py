"""What models took, by day and by model."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

from msgspec import Struct

from bridge_mcp.core.entries import Replied, Reviewed, Summarised
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.spending import DAY_S, Spent, day_of, taken_by
from bridge_mcp.core.unreadable import UnreadableEntry
from bridge_mcp.service.base import BridgeBase, bounded

__all__ = ["DayUsage", "Usage", "UsageReading"]

CONVERSATIONS = 200
"""Conversations whose logs are read for what each model took: those at work last."""
ENTRIES = 2_000
"""Entries of each, the newest."""


class DayUsage(Struct, frozen=True):
    """One day of UTC, counted from 1970."""

    day: int
    total: Spent

    @property
    def name(self) -> str:
        """The day, as `2026-11-29`."""
        return datetime.fromtimestamp(self.day * DAY_S, UTC).strftime("%Y-%m-%d")


class Usage(Struct, frozen=True):
    """The days, the oldest first, and what each model took on them.

    `partly`: not all conversations were read for what single models took, but the last `looked` ones.
    """

    days: tuple[DayUsage, ...]
    models: tuple[tuple[str, Spent], ...]
    looked: int
    partly: bool

    @property
    def total(self) -> Spent:
        """Of all days."""
        return sum((each.total for each in self.days), Spent())

    @property
    def shares(self) -> tuple[tuple[str, Spent, int], ...]:
        """The models with their share of the tokens, of 100, the largest first."""
        most = max((taken.tokens for _, taken in self.models), default=0)
        return tuple((name, taken, round(100 * taken.tokens / most) if most else 0) for name, taken in self.models)


class UsageReading(BridgeBase):
    """Methods that need the scope `read`."""

    async def usage(self, who: Principal, *, days: int = 30) -> Usage:
        """What models took on each of the last `days` (1 to 366), and what each model took."""
        who.require("read")
        today = day_of(self._clock.now())
        first = today - bounded("days", days, 366) + 1
        found = [
            DayUsage(day, sum(await self.store.spending.on(day, *(who.within or {""})), Spent()))
            for day in range(first, today + 1)
        ]
        conversations, following = await self.store.history.conversations(within=who.within, limit=CONVERSATIONS)
        models: dict[str, Spent] = defaultdict(Spent)
        for each in conversations:
            if each.last_at < first * DAY_S:
                following = ""
                break
            for logged in await self.store.log.read(each.id, max(-1, each.head - ENTRIES - 1), most=ENTRIES):
                if isinstance(logged, UnreadableEntry) or logged.at < first * DAY_S:
                    continue
                taken = taken_by(logged)
                if taken is not None and isinstance(logged.entry, Replied | Summarised | Reviewed):
                    models[logged.entry.model] += taken
        ordered = sorted(models.items(), key=lambda pair: -pair[1].tokens)
        return Usage(tuple(found), tuple(ordered), looked=len(conversations), partly=bool(following))
