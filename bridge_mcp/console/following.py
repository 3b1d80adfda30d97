"""Follows the feed for a page: what a session may see, until it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from bridge_mcp.console.guard import cookie_name
from bridge_mcp.console.visits import Visit
from bridge_mcp.core.errors import BadInput
from bridge_mcp.ports import EventPage

__all__ = ["followed", "signed_in", "start_of"]

LOOK_S = 5.0
"""How often a stream looks whether its session lasts, where nothing happens."""

RETRY = b"retry: 300\n\n"
BEAT = b": here\n\n"


async def start_of(visit: Visit) -> int:
    """The cursor at which a page's stream begins: taken before the page is read, so that nothing falls between."""
    return await visit.bridge.feed_position(visit.who)


def asked_cursor(visit: Visit) -> int | None:
    """Where a stream goes on: behind the last event that the browser has, or where its page began."""
    text = visit.request.headers.get("last-event-id") or visit.query("after")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


async def followed(visit: Visit, types: Sequence[str] = (), conversation: str = "") -> AsyncIterator[EventPage]:
    """Pages of events, each with at least one, while the session lasts. A gap is as good as an event: read all anew."""
    after = asked_cursor(visit)
    if after is None:
        after = await start_of(visit)
    while await signed_in(visit):
        try:
            page = await visit.bridge.wait_for_events(
                visit.who, after=after, types=types, conversation=conversation, timeout_s=LOOK_S
            )
        except BadInput:  # the cursor is of another store: the page began before the bridge was set up anew
            after = await start_of(visit)
            continue
        after = page.cursor
        if (page.events or page.gap) and await signed_in(visit):
            yield page


async def signed_in(visit: Visit) -> bool:
    """Whether the session lasts: a page that is looked at keeps it."""
    value = visit.request.cookies.get(cookie_name(visit.origin), "")
    session = await visit.console.sessions.find(value)
    return session is visit.session
