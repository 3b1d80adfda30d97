"""Follows the feed for a page: what a session may see, until it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from bridge_mcp.console.guard import cookie_name
from bridge_mcp.console.sessions import same
from bridge_mcp.console.visits import Visit
from bridge_mcp.core.errors import BadInput
from bridge_mcp.ports import Draft, EventPage

__all__ = ["followed", "news", "signed_in", "start_of"]

LOOK_S = 5.0
"""How often a stream looks whether its session lasts, where nothing happens."""

LOOK_AT_DRAFT_S = 0.1
"""How often a chat looks for another text of the reply that grows."""


async def start_of(visit: Visit) -> int:
    """The cursor at which a page's stream begins: taken before the page is read, so that nothing falls between."""
    return await visit.bridge.feed_position(visit.who)


def asked_cursor(visit: Visit) -> int | None:
    """Where a stream goes on: behind the last event that the browser has, or where its page began."""
    text = visit.request.headers.get("last-event-id") or visit.query("after")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


async def followed(visit: Visit, types: Sequence[str] = (), conversation: str = "") -> AsyncIterator[EventPage]:
    """Pages of events, each with at least one, while the session lasts. One with a gap may have none: read all anew."""
    after = await resume_cursor(visit)
    while await signed_in(visit):
        page = await events_after(visit, after, 0 if visit.framed else LOOK_S, types, conversation)
        after = page.cursor
        if (page.events or page.gap) and await signed_in(visit):
            yield page
        if visit.framed:  # it asks again
            return


async def resume_cursor(visit: Visit) -> int:
    """Where a stream goes on, and else the newest event."""
    after = asked_cursor(visit)
    return await start_of(visit) if after is None else after


async def events_after(
    visit: Visit, after: int, timeout_s: float, types: Sequence[str] = (), conversation: str = ""
) -> EventPage:
    """The events after a cursor; a gap where it is of another store: the page is older than the bridge's."""
    try:
        return await visit.bridge.wait_for_events(
            visit.who, after=after, types=types, conversation=conversation, timeout_s=timeout_s
        )
    except BadInput:
        return EventPage((), await start_of(visit), gap=True)


async def signed_in(visit: Visit) -> bool:
    """Whether the session lasts: a page that is looked at keeps it. A card has none, and shows who asks for each."""
    if visit.framed:
        return True
    value = visit.request.cookies.get(cookie_name(visit.origin), "")
    session = await visit.console.sessions.find(value)
    return session is not None and same(session.csrf, visit.session.csrf)


async def news(visit: Visit, conversation: str) -> AsyncIterator[tuple[EventPage | None, Draft | None]]:
    """What is new in a conversation: events, or another text of the reply that grows; while the session lasts."""
    after = await resume_cursor(visit)
    last: Draft | None = None
    while await signed_in(visit):
        page = await events_after(visit, after, LOOK_AT_DRAFT_S, conversation=conversation)
        draft = visit.bridge.draft(visit.who, conversation)
        happened = bool(page.events) or page.gap
        after = page.cursor
        if (happened or draft != last) and await signed_in(visit):
            last = draft
            yield (page if happened else None), draft
