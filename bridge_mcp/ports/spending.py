"""Port of the store: what models took, by day and model."""

from __future__ import annotations

from typing import Protocol

from bridge_mcp.core.spending import Spent, Taken

__all__ = ["Spending"]


class Spending(Protocol):
    """Sums by scope (`core.spending.scopes`: "" the bridge, a channel, a conversation) and by day of UTC and model.

    They are computed from entries, in the transaction that appends these; reading costs the same however long a log is.
    """

    async def on(self, day: int, *scopes: str) -> tuple[Spent, ...]:
        """What each of the scopes took on one day."""
        ...

    async def between(self, first: int, last: int, *scopes: str) -> tuple[Taken, ...]:
        """What each of the scopes took on each day of a stretch (`last` belongs to it), by model; days in order."""
        ...

    async def ever(self, scope: str) -> Spent:
        """What a scope has taken since its beginning."""
        ...
