"""Snowflakes, the ids of Discord: https://docs.discord.com/developers/reference#snowflakes."""

from __future__ import annotations

__all__ = ["digits", "snowflake_at", "snowflake_time"]

EPOCH_MS = 1_420_070_400_000
"""The first second of 2015."""


def digits(text: str) -> bool:
    """Whether it can be an id, which has up to 20 digits."""
    return text.isascii() and text.isdecimal() and len(text) <= 20


def snowflake_time(number: int) -> float:
    """When a snowflake was made, in epoch seconds."""
    return ((number >> 22) + EPOCH_MS) / 1000


def snowflake_at(at: float) -> int:
    """The lowest snowflake of this moment."""
    return max(0, int(at * 1000) - EPOCH_MS) << 22
