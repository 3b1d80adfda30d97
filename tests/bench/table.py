"""Plain tables of figures: a title, columns, a row per figure. Knows what fits a terminal, and nothing of measuring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["WIDTH", "Table", "amount", "micro", "milli", "ratio", "verdict"]

WIDTH = 110
"""Columns of the terminal that every line has to fit."""

GAPS = ("  ", " ")
"""What stands between two figures; the second one where those of a bad day need the place."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table. The first column is text and stands left; the others are figures and stand right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """The table as it is printed, no line longer than `WIDTH`."""
        widths = [max(len(row[n]) for row in (self.columns, *self.rows)) for n in range(len(self.columns))]
        room = WIDTH - sum(widths) - len(GAPS[0])
        gap = next((gap for gap in GAPS if len(gap) * (len(widths) - 2) <= room), GAPS[-1])
        yield self.title
        yield line_of(self.columns, widths, gap)
        yield "-" * (sum(widths) + len(GAPS[0]) + len(gap) * (len(widths) - 2))
        for row in self.rows:
            yield line_of(row, widths, gap)
        yield from (f"({note})" for note in self.notes)


def line_of(cells: Sequence[str], widths: Sequence[int], gap: str) -> str:
    first, *others = cells
    figures = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
    return f"{first.ljust(widths[0])}{GAPS[0]}{gap.join(figures)}".rstrip()


def milli(seconds: float) -> str:
    """Seconds as milliseconds, with three figures that count."""
    return f"{amount(seconds * 1e3)} ms"


def micro(seconds: float) -> str:
    """Seconds as whole microseconds."""
    return f"{seconds * 1e6:,.0f} us"


def amount(value: float) -> str:
    """A number with about three figures that count."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def ratio(value: float) -> str:
    return f"{value:.2f}"


def verdict(value: float, goal: float, shown: str = "", *, at_least: bool = False) -> str:
    """A goal, and whether a figure meets it as far as this run can tell; noise is the reader's to judge."""
    met = value >= goal if at_least else value <= goal
    return f"{shown or amount(goal)} {'met' if met else 'no'}"
