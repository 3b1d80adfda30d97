"""Time within a process: what elapsed, and whether the wall clock was set meanwhile.

Wall time is stored, shown and compared across processes. It may be set at any moment, and a machine may sleep. So waits
within a process are measured by `elapsed`, and the engine compares the wall clock with it (`Jumps`): when the clock was
set back, all deadlines move by as much (`Agenda.set_back`, `LogCache.set_back`), so that nothing waits longer; when it
was set ahead, questions to people stay open for as long as promised, and anything else ends sooner.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge_mcp.operations.recent_log import LogCache
from bridge_mcp.ports import Agenda, Clock

__all__ = ["WATCH_S", "Jumps", "WallClock", "elapsed", "follow"]

logger = logging.getLogger(__name__)

WATCH_S = 1.0
"""How often the engine compares the clocks."""

MIN_S = 1.0
"""Smaller differences are a clock that is being slewed."""

UNSET = 1_577_836_800.0
"""2020: a machine whose clock shows an earlier year has not been told the time yet."""

KEPT = 64
"""Jumps that are remembered."""


class WallClock:
    """The system's clock."""

    def now(self) -> float:
        """Epoch seconds."""
        return time.time()


def elapsed() -> float:
    """Seconds of a monotonic clock that counts the time in which the machine slept."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC)  # unlike `time.monotonic`, which stands still in sleep
    return time.monotonic()


@dataclass(slots=True)
class Jumps:
    """Compares the wall clock with elapsed time, and remembers when it was set ahead."""

    clock: Clock
    elapsed: Callable[[], float] = elapsed
    _offset: float = field(init=False)
    _ahead: list[tuple[float, float]] = field(init=False, default_factory=list[tuple[float, float]])
    """By how much it was set ahead, and its time before that."""

    def __post_init__(self) -> None:
        self._offset = self.clock.now() - self.elapsed()

    def look(self) -> float:
        """The seconds by which the wall clock was set since the last call; negative: back; 0: it was not."""
        passed, now = self.elapsed(), self.clock.now()
        jump = now - passed - self._offset
        self._offset = now - passed
        if abs(jump) < MIN_S:
            return 0.0
        if jump > 0:
            self._ahead = [*self._ahead[-KEPT:], (now - jump, jump)]
        return jump

    def ahead_since(self, at: float) -> float:
        """The seconds by which the clock was set ahead since it showed `at`."""
        return sum(jump for before, jump in self._ahead if before >= at)

    def old_before(self, before: float) -> float:
        """The time up to which all that was written is as old as what was written at `before` would be.

        A clock that was set ahead makes what stood there by then look older than it is: that counts as younger by as
        much. A clock that had never been set (it showed a year before 2020) is no measure of anything.
        """
        limit, ahead = before, 0.0
        for reading, jump in reversed(self._ahead):
            if reading < UNSET:
                continue
            ahead += jump
            if reading > before - ahead:
                limit = min(limit, before - ahead)
        return limit


async def follow(jump: float, recent_logs: LogCache, agenda: Agenda, clock: Clock) -> None:
    """Move all deadlines after the clock was set by so many seconds.

    Raises:
        StoreError: nothing was moved.
    """
    logger.warning("the clock was set %s by %.0f s", "ahead" if jump > 0 else "back", abs(jump))
    if jump > 0:
        recent_logs.set_ahead(jump)
    else:
        await agenda.set_back(clock.now(), -jump)
        recent_logs.set_back(-jump)
