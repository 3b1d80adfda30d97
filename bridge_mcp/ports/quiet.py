"""Quiet hours: a part of each day in which a channel makes no sound."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from msgspec import Struct

from bridge_mcp.core.errors import BadInput

__all__ = ["QuietHours"]

HOURS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)")


class QuietHours(Struct, frozen=True):
    """From one minute of the day to another one, which may be of the next day, by the clocks of a time zone."""

    begin: int
    end: int
    """Minutes since midnight."""
    zone: tzinfo = UTC

    @classmethod
    def of(cls, text: str, zone: tzinfo = UTC) -> QuietHours:
        """The hours of `22:00-07:00`.

        Raises:
            BadInput: it is not that, or no time at all.
        """
        match = HOURS.fullmatch(text.strip())
        if match is None:
            raise BadInput(f"'{text[:40]}' are no quiet hours.", fix="Write them as 22:00-07:00.")
        begin, end = (int(match[n]) * 60 + int(match[n + 1]) for n in (1, 3))
        if begin == end:
            raise BadInput(f"'{text[:40]}' begins when it ends.", fix="Write quiet hours as 22:00-07:00.")
        return cls(begin, end, zone)

    def until(self, now: float) -> float:
        """When the quiet hours end that it is now, in epoch seconds; 0 where it is not quiet."""
        try:
            here = datetime.fromtimestamp(now, self.zone)
        except (OverflowError, ValueError, OSError):  # a clock that shows no time of this era
            return 0.0
        minute = here.hour * 60 + here.minute
        over_midnight = self.begin > self.end
        quiet = minute >= self.begin or minute < self.end if over_midnight else self.begin <= minute < self.end
        if not quiet:
            return 0.0
        day = here.date() + timedelta(days=1) if over_midnight and minute >= self.begin else here.date()
        ends = datetime(day.year, day.month, day.day, self.end // 60, self.end % 60, tzinfo=self.zone)
        # Where clocks are set back or ahead on the way, the end may lie in what was: then it is over in a minute.
        return max(ends.timestamp(), now + 60.0)
