"""Plots as SVG, made on the server: bars by day, with a table of the same numbers for who cannot see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct

from bridge_mcp.core.spending import DAY_S

__all__ = ["Bar", "Plot", "bars"]

WIDTH, HEIGHT, FOOT = 720, 160, 20
"""Sizes in the plot's own units."""


class Bar(Struct, frozen=True):
    """One bar: where it stands, and what it tells."""

    x: float
    y: float
    width: float
    height: float
    label: str


class Plot(Struct, frozen=True):
    """Bars by day. `marks` are the days below them, each with its place."""

    bars: tuple[Bar, ...]
    marks: tuple[tuple[float, str], ...]
    top: str
    """The largest value, in words."""
    width: int = WIDTH
    height: int = HEIGHT + FOOT


def bars(values: Sequence[tuple[int, float]], *, unit: str) -> Plot:
    """A plot of values by day (counted from 1970)."""
    largest = max((value for _, value in values), default=0)
    step = WIDTH / max(1, len(values))
    made: list[Bar] = []
    marks: list[tuple[float, str]] = []
    for place, (day, value) in enumerate(values):
        height = HEIGHT * value / largest if largest else 0.0
        label = f"{day_name(day)}: {words(value, unit)}"
        x, y = round(place * step + 1, 2), round(HEIGHT - height, 2)
        made.append(Bar(x, y, round(step - 2, 2), height=round(height, 2), label=label))
        if place % max(1, len(values) // 6) == 0:
            marks.append((round(place * step + 1, 2), day_name(day)))
    return Plot(tuple(made), tuple(marks), words(largest, unit))


def words(value: float, unit: str) -> str:
    return f"${value:,.4f}" if unit == "$" else f"{value:,.0f} {unit}"


def day_name(day: int) -> str:
    """A day as people write it."""
    return datetime.fromtimestamp(day * DAY_S, UTC).strftime("%d %b")
