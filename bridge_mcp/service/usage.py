"""What models took, by day and by model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import Struct

from bridge_mcp.core.policy import Principal
from bridge_mcp.core.spending import DAY_S, Spent, day_of
from bridge_mcp.service.base import BridgeBase, check_range

__all__ = ["DayUsage", "UsageReading", "UsageReport"]


class DayUsage(Struct, frozen=True):
    """One day of UTC, counted from 1970, with what each model took on it: the largest first."""

    day: int
    models: tuple[tuple[str, Spent], ...]

    @property
    def total(self) -> Spent:
        """Of all models."""
        return sum((spent for _, spent in self.models), Spent())

    @property
    def name(self) -> str:
        """The day, as `2026-11-29`."""
        return datetime.fromtimestamp(self.day * DAY_S, UTC).strftime("%Y-%m-%d")


class UsageReport(Struct, frozen=True):
    """The days, the oldest first, and what each model took on all of them: the largest first."""

    days: tuple[DayUsage, ...]
    models: tuple[tuple[str, Spent], ...]

    @property
    def total(self) -> Spent:
        """Of all days."""
        return sum((day.total for day in self.days), Spent())

    @property
    def shares(self) -> tuple[tuple[str, Spent, int], ...]:
        """The models with their share of the largest one's tokens, of 100."""
        most = max((spent.tokens for _, spent in self.models), default=0)
        return tuple((name, spent, round(100 * spent.tokens / most) if most else 0) for name, spent in self.models)


class UsageReading(BridgeBase):
    """Methods that need the scope `read`."""

    async def usage(self, who: Principal, *, days: int = 30) -> UsageReport:
        """What each model took on each of the last `days` (1 to 366), in all chats or those that `who` may see.

        A model without a name is one that the log does not name.
        """
        who.require("read")
        today = day_of(self.clock.now())
        first = today - check_range("days", days, 366) + 1
        by_day: dict[int, list[tuple[str, Spent]]] = {day: [] for day in range(first, today + 1)}
        for row in await self.store.spending.between(first, today, *(who.within or {""})):
            by_day[row.day].append((row.model, row.spent))
        per_day = tuple(DayUsage(day, sum_by_model(models)) for day, models in by_day.items())
        return UsageReport(per_day, sum_by_model(pair for day in per_day for pair in day.models))


def sum_by_model(models: Iterable[tuple[str, Spent]]) -> tuple[tuple[str, Spent], ...]:
    """One sum for each model, the largest first."""
    sums: defaultdict[str, Spent] = defaultdict(Spent)
    for model, spent in models:
        sums[model] += spent
    return tuple(sorted(sums.items(), key=lambda pair: (-pair[1].tokens, pair[0])))
