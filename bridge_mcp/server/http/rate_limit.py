"""How often a client may ask: a token bucket each, so that one that runs wild does not take the others' time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

__all__ = ["RateLimiter"]

MAX_BUCKETS = 4096
"""Buckets that are kept; those that have filled up again are forgotten first, and say nothing anyway."""


class RateLimiter:
    """A bucket for each name: `burst` requests at once, and `rate` more every second.

    Args:
        rate: requests a second; 0 for no limit.
        burst: requests at once, at least 1.
        now: seconds on a clock that never goes back.
    """

    def __init__(self, rate: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = float(max(1, burst))
        self._now = now
        self._buckets: dict[str, tuple[float, float]] = {}
        """What was in each, and when."""

    def take(self, name: str) -> int:
        """Count a request; 0 if it may pass, else the whole seconds after which one may."""
        if self._rate <= 0:
            return 0
        now = self._now()
        held, at = self._buckets.pop(name, (self._burst, now))
        held = min(self._burst, held + (now - at) * self._rate)
        passes = held >= 1
        self._buckets[name] = (held - 1 if passes else held, now)
        if len(self._buckets) > MAX_BUCKETS:
            self._forget(now)
        return 0 if passes else max(1, math.ceil((1 - held) / self._rate))

    def give_back(self, name: str) -> None:
        """Take back the count of a request that turned out to be welcome."""
        if name in self._buckets:
            held, at = self._buckets[name]
            self._buckets[name] = (min(self._burst, held + 1), at)

    def _forget(self, now: float) -> None:
        """Let go of what is full; if all are in use, of the one that was used least recently."""
        full = [
            name for name, (held, at) in self._buckets.items() if held + (now - at) * self._rate >= self._burst
        ]  # fmt: skip
        for name in full or [next(iter(self._buckets))]:
            del self._buckets[name]
