"""Exponential back-off: how long to pause between attempts at what fails. It neither sleeps nor draws chance."""

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

    `jitter` gives what each pause is multiplied by: chance from the caller, so that several programs do not keep step.
    """

    first_s: float = 0.25
    longest_s: float = 60.0
    jitter: Callable[[], float] | None = None
    failures: int = 0
    """How many there were in a row."""

    def next(self) -> float:
        """The pause after one more failure, in seconds."""
        pause = pause_s(self.failures, self.first_s, self.longest_s)
        self.failures += 1
        return pause if self.jitter is None else pause * self.jitter()

    def reset(self) -> None:
        """It worked: begin with the shortest pause again."""
        self.failures = 0
