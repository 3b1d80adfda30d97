"""Plots as SVG, made on the server: stacked bars by day, with a table of the same numbers for who cannot see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from bridge_mcp.core.spending import DAY_S

__all__ = ["COLOURS", "Bar", "Plot", "stacks"]

WIDTH, HEIGHT, FOOT = 720, 160, 20
"""Sizes in the plot's own units."""
COLOURS = 6
"""How many series have a colour of their own; the last is for all others together."""


class Bar(Struct, frozen=True):
    """One part of a bar: where it stands, which series it is of, and what it tells."""

    x: float
    y: float
    width: float
    height: float
    series: int
    label: str


class Plot(Struct, frozen=True):
    """Bars by day. `marks` are the days below them, each with its place."""

    bars: tuple[Bar, ...]
    marks: tuple[tuple[float, str], ...]
    top: str
    """The largest value of a day, in words."""
    width: int = WIDTH
    height: int = HEIGHT + FOOT


def stacks(days: Sequence[tuple[int, Mapping[str, float]]], series: Sequence[str], *, unit: str) -> Plot:
    """A plot of values by day (counted from 1970) and by what they are of; `series` is the order of these."""
    largest = max((sum(values.values()) for _, values in days), default=0.0)
    step = WIDTH / max(1, len(days))
    bars: list[Bar] = []
    marks: list[tuple[float, str]] = []
    for place, (day, values) in enumerate(days):
        x, top = round(place * step + 1, 2), float(HEIGHT)
        for number, name in enumerate(series):
            value = values.get(name, 0.0)
            if not value or not largest:
                continue
            height = HEIGHT * value / largest
            top -= height
            label = f"{day_name(day)}, {name or 'unknown'}: {words(value, unit)}"
            colour = min(number, COLOURS - 1)
            size = {"width": round(step - 2, 2), "height": round(height, 2)}
            bars.append(Bar(x, round(top, 2), series=colour, label=label, **size))
        if place % max(1, len(days) // 6) == 0:
            marks.append((x, day_name(day)))
    return Plot(tuple(bars), tuple(marks), words(largest, unit))


def words(value: float, unit: str) -> str:
    return f"${value:,.4f}" if unit == "$" else f"{value:,.0f} {unit}"


def day_name(day: int) -> str:
    """A day as people write it."""
    return datetime.fromtimestamp(day * DAY_S, UTC).strftime("%d %b")
