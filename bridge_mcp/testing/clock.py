"""A clock for tests, which moves only when a test advances it."""

from __future__ import annotations

__all__ = ["ManualClock"]


class ManualClock:
    """A `Clock` that stands still between calls of `advance`. Times are epoch seconds."""

    def __init__(self, at: float = 1_700_000_000.0) -> None:
        self.at = at
        """What it shows. May be set to any time: clocks of machines jump back as well."""

    def now(self) -> float:
        """Epoch seconds, as set."""
        return self.at

    def advance(self, seconds: float) -> float:
        """Let this much time pass; the new time."""
        self.at += seconds
        return self.at
