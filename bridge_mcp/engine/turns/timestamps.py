"""Times as a model is told them: in the owner's time zone, to the minute."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import lru_cache, partial
from zoneinfo import ZoneInfo

__all__ = ["teller"]

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@lru_cache(maxsize=32)
def teller(zone: str) -> Callable[[float], str]:
    """Tells epoch seconds as `Tue 2026-11-24 10:43`."""
    timezone = UTC if zone == "UTC" else ZoneInfo(zone)  # not every system has its own data of time zones
    at_minute = lru_cache(maxsize=4096)(partial(format_time, timezone))
    return lambda at: at_minute(int(at // 60))


def format_time(where: tzinfo, minute: int) -> str:
    at = datetime.fromtimestamp(minute * 60, where)
    return f"{DAYS[at.weekday()]} {at:%Y-%m-%d %H:%M}"
