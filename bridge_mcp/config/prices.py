"""Reads the prices in a section of `[models]`."""

from __future__ import annotations

from bridge_mcp.config import schema
from bridge_mcp.config.problems import Problems
from bridge_mcp.models.prices import Prices

__all__ = ["prices"]

MILLION = 1e6


def prices(key: str, section: schema.ModelSection, problems: Problems) -> Prices | None:
    """The prices of a section, None where it names none; `key` is how the file calls the section."""
    read, written, cached = (
        section.usd_per_million_input,
        section.usd_per_million_output,
        section.usd_per_million_cached,
    )
    if read is not None and written is not None:
        return Prices(read / MILLION, written / MILLION, None if cached is None else cached / MILLION)
    for name, price in (("input", read), ("output", written), ("cached", cached)):
        if price is not None:
            problems.add(
                f"{key}.usd_per_million_{name}",
                "a call has a price only where questions and answers have one.",
                "Set both usd_per_million_input and usd_per_million_output; 0 is free.",
            )
    return None
