"""Exponential back-off: the pauses between attempts. Pure: it neither sleeps nor draws random numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Backoff", "pause_s"]


def pause_s(failures: int, first_s: float, longest_s: float) -> float:
    """The pause in seconds after so many failures in a row before the last one: it doubles up to `longest_s`."""
    return min(first_s * 2.0 ** min(max(failures, 0), 100), longest_s)


@dataclass(slots=True)
class Backoff:
    """Pauses that double from `first_s` to `longest_s`, in seconds.

    `jitter` returns a random factor for each pause, so that several processes do not retry in step.
    """

    first_s: float = 0.25
    longest_s: float = 60.0
    jitter: Callable[[], float] | None = None
    failures: int = 0
    """Failures in a row."""

    def next(self) -> float:
        """The pause after one more failure, in seconds."""
        pause = pause_s(self.failures, self.first_s, self.longest_s)
        self.failures += 1
        return pause if self.jitter is None else pause * self.jitter()

    def reset(self) -> None:
        """Begin with the shortest pause again, after a success."""
        self.failures = 0
