"""The database's clock, as the clock of this process: a machine whose own is wrong decides nothing by it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

__all__ = ["DatabaseClock"]


class DatabaseClock:
    """See `ports.Clock`. Counts from what the server told last, by this machine's monotonic clock.

    Before the server has told anything it is this machine's own clock. It never goes back by less than a second: what
    one answer came late is not taken for a change.
    """

    def __init__(self) -> None:
        self._base = (time.time(), time.monotonic())
        """What the server's clock showed at a moment of this machine's monotonic one: together, for threads."""
        self._told = False

    def now(self) -> float:
        """Epoch seconds by the server's clock."""
        server, at = self._base
        return server + (time.monotonic() - at)

    async def ask(self, server: Callable[[], Awaitable[float]]) -> None:
        """Ask the server. Whoever compares clocks, or dates anything, begins after this: nothing was set meanwhile."""
        asked = time.monotonic()
        self.told(await server(), asked, time.monotonic())

    def told(self, server: float, asked: float, answered: float) -> None:
        """What the server's clock showed between two moments of this machine's monotonic clock."""
        middle = (asked + answered) / 2
        was, at = self._base
        difference = server + (answered - middle) - (was + (answered - at))
        # An answer says no more than that it was made between the two.
        if self._told and abs(difference) <= max(0.005, (answered - asked) / 2):
            return
        self._base, self._told = (server, middle), True
