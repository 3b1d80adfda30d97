"""What is made of samples: medians, percentiles, ratios of pairs. Knows no process and no table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

__all__ = ["Round", "Rounds", "median", "of_pairs", "percentile"]


def percentile(samples: Sequence[float], percent: float) -> float:
    """The sample below which this many per cent of all lie."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def of_pairs(subject: Sequence[float], reference: Sequence[float]) -> float:
    """The median of the ratios of what was measured one right after the other: the machine's drift falls out."""
    return median([ours / theirs for ours, theirs in zip(subject, reference, strict=True)])


@dataclass(frozen=True, slots=True)
class Round:
    """Calls made one after another, or some at a time: how long each took, and all of them together, in seconds."""

    each: list[float]
    whole: float

    @property
    def rate(self) -> float:
        """Calls per second."""
        return len(self.each) / self.whole


@dataclass(frozen=True, slots=True)
class Rounds:
    """All rounds of one thing."""

    rounds: list[Round] = field(default_factory=list[Round])

    @property
    def medians(self) -> list[float]:
        """Each round's median."""
        return [median(each.each) for each in self.rounds]

    @property
    def p50(self) -> float:
        return median(self.medians)

    @property
    def p99(self) -> float:
        """Of all calls of all rounds."""
        return percentile([sample for each in self.rounds for sample in each.each], 99)

    @property
    def rate(self) -> float:
        return median([each.rate for each in self.rounds])
