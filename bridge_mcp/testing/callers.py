"""Callers for tests: processes live as long as a test says so."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager

__all__ = ["FakeCallers"]


class FakeCallers:
    """`Callers` in memory: those in `alive` live."""

    def __init__(self, alive: set[str] | None = None) -> None:
        self.alive = set[str]() if alive is None else alive
        self._made = 0

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[str]:
        """See `ports.Callers`."""
        self._made += 1
        name = f"{self._made:016x}"
        self.alive.add(name)
        try:
            yield name
        finally:
            self.alive.discard(name)

    async def living(self, names: Collection[str]) -> frozenset[str]:
        """See `ports.Callers`."""
        return frozenset(names) & self.alive
