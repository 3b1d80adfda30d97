"""All conversations, the most recent first, and the search through their messages."""

from __future__ import annotations

from starlette.responses import Response

from bridge_mcp.console.visits import Page, Visit

__all__ = ["PAGES"]

PER_PAGE = 50
FOUND = 50


async def index(visit: Visit) -> Response:
    """A page of the list; with a query, those whose name has it."""
    query = visit.query("q").strip()[:200]
    page = await visit.bridge.list_conversations(
        visit.who, query=query, channel=visit.query("channel"), limit=PER_PAGE, cursor=visit.query("cursor")
    )
    return await visit.page("conversations.html", list=page, query=query, channel=visit.query("channel"))


async def search(visit: Visit) -> Response:
    """Messages with every word of the query."""
    query = visit.query("q").strip()
    messages = await visit.bridge.search_messages(visit.who, query, limit=FOUND) if query else ()
    return await visit.page("search.html", found=messages, query=query)


PAGES = (Page("/conversations", index), Page("/search", search))
