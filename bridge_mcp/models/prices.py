"""Prices of models, by their sections or by litellm's map, and the cost of calls. Knows no adapter."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

__all__ = ["Prices", "listed"]

ABOVE = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")
"""The map's key for the price of a long request."""


class Prices(Struct, frozen=True):
    """In US dollars a token."""

    read: float
    """Per input token."""
    written: float
    """Per output token."""
    cached: float | None = None
    """Per cached input token; None: as `read`."""
    above: tuple[int, Prices] | None = None
    """A number of input tokens, and the prices of longer requests, if they differ."""

    def cost(self, read: int, written: int, cached: int = 0) -> float:
        """The cost of one call, in US dollars; `cached` tokens are included in `read`."""
        if self.above is not None and read > self.above[0]:
            return self.above[1].cost(read, written, cached)
        cached_read = min(cached, read)
        return (
            (read - cached_read) * self.read
            + cached_read * (self.read if self.cached is None else self.cached)
            + written * self.written
        )


def listed(entry: Mapping[str, object]) -> Prices | None:
    """The prices in an entry of litellm's map; None if one is missing."""
    prices = named(entry)
    above = next((match for name in entry if (match := ABOVE.fullmatch(name))), None)
    if prices is None or above is None:
        return prices
    dearer = named(entry, f"_above_{above[1]}k_tokens")
    return dearer and Prices(prices.read, prices.written, prices.cached, above=(int(above[1]) * 1000, dearer))


def named(entry: Mapping[str, object], suffix: str = "") -> Prices | None:
    """The prices whose keys have this suffix."""
    read, written = entry.get(f"input_cost_per_token{suffix}"), entry.get(f"output_cost_per_token{suffix}")
    cached = entry.get(f"cache_read_input_token_cost{suffix}")
    if not isinstance(read, int | float) or not isinstance(written, int | float):
        return None
    return Prices(read, written, cached if isinstance(cached, int | float) else None)
