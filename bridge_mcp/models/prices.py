"""What calls cost: the prices of a model, as its section or litellm's map tells them. Knows no adapter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Prices", "listed"]

ABOVE = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")
"""How the map names the price of a long request."""


@dataclass(frozen=True, slots=True)
class Prices:
    """In US dollars a token."""

    read: float
    """Of the request."""
    written: float
    """Of the answer."""
    cached: float | None = None
    """Of that part of the request which was in the provider's cache; None: as the rest."""
    above: tuple[int, Prices] | None = None
    """The prices of a request of more tokens than this, if those are others."""

    def cost(self, read: int, written: int, cached: int = 0) -> float:
        """Of one call by its tokens, in US dollars; `cached` are among those that were `read`."""
        if self.above is not None and read > self.above[0]:
            return self.above[1].cost(read, written, cached)
        again = min(cached, read)
        return (
            (read - again) * self.read
            + again * (self.read if self.cached is None else self.cached)
            + written * self.written
        )


def listed(entry: Mapping[str, object]) -> Prices | None:
    """What an entry of litellm's map says; None where it does not name all of them."""
    prices = named(entry)
    above = next((found for name in entry if (found := ABOVE.fullmatch(name))), None)
    if prices is None or above is None:
        return prices
    dearer = named(entry, f"_above_{above[1]}k_tokens")
    return dearer and Prices(prices.read, prices.written, prices.cached, above=(int(above[1]) * 1000, dearer))


def named(entry: Mapping[str, object], suffix: str = "") -> Prices | None:
    """The prices with this at the end of their names."""
    read, written = entry.get(f"input_cost_per_token{suffix}"), entry.get(f"output_cost_per_token{suffix}")
    cached = entry.get(f"cache_read_input_token_cost{suffix}")
    if not isinstance(read, int | float) or not isinstance(written, int | float):
        return None
    return Prices(read, written, cached if isinstance(cached, int | float) else None)
