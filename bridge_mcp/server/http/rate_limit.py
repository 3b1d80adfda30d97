"""Rate limits: a token bucket for each client, so that one that runs wild does not slow down the others."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

__all__ = ["RateLimiter"]

MAX_BUCKETS = 4096
"""Buckets that are kept; full ones, which limit nothing, are forgotten first."""


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
        """Tokens left in each, and when they were counted."""

    def take(self, name: str) -> int:
        """Count a request; 0 if it may pass, else the whole seconds until one may (Retry-After)."""
        if self._rate <= 0:
            return 0
        now = self._now()
        tokens, counted_at = self._buckets.pop(name, (self._burst, now))
        tokens = min(self._burst, tokens + (now - counted_at) * self._rate)
        passes = tokens >= 1
        self._buckets[name] = (tokens - 1 if passes else tokens, now)
        if len(self._buckets) > MAX_BUCKETS:
            self._forget(now)
        return 0 if passes else max(1, math.ceil((1 - tokens) / self._rate))

    def give_back(self, name: str) -> None:
        """Undo the count of a request that turned out to be authenticated."""
        if name in self._buckets:
            tokens, counted_at = self._buckets[name]
            self._buckets[name] = (min(self._burst, tokens + 1), counted_at)

    def _forget(self, now: float) -> None:
        """Drop full buckets; if none is full, the least recently used one."""
        full = [
            name
            for name, (tokens, counted_at) in self._buckets.items()
            if tokens + (now - counted_at) * self._rate >= self._burst
        ]
        for name in full or [next(iter(self._buckets))]:
            del self._buckets[name]
