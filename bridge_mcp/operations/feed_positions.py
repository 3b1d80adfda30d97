"""Where in the feed a moment is."""

from __future__ import annotations

from bridge_mcp.ports import Feed

__all__ = ["position_at"]


async def position_at(feed: Feed, moment: float, after: int = 0) -> int:
    """The cursor, not before `after`, of the last event before a moment (epoch seconds); searched for by halves."""
    low, high = after, await feed.head()
    while low < high:
        middle = (low + high) // 2
        page = await feed.read(middle, 1)
        if page.events and page.events[0].at < moment:
            low = page.events[0].cursor
        else:
            high = middle
    return low
