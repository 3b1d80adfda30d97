"""The log of a conversation, entry by entry, and whether it verifies: for admins."""

from __future__ import annotations

import json
from typing import cast

from markupsafe import Markup
from msgspec import Struct
from starlette.responses import Response

from bridge_mcp.console.call_view import marked
from bridge_mcp.console.visits import Page, Visit
from bridge_mcp.core.codec import encode
from bridge_mcp.core.entries import Logged
from bridge_mcp.core.safe_text import pretty
from bridge_mcp.core.unreadable import UnreadableEntry

__all__ = ["PAGES"]

PER_PAGE = 200
SHOWN = 6_000
"""Characters of one entry that are shown."""


class Line(Struct, frozen=True):
    """One entry."""

    seq: int
    at: float
    kind: str
    body: Markup
    left: int = 0


async def index(visit: Visit) -> Response:
    """A page of entries, the oldest first; with `verify`, what is wrong with the log."""
    conversation, text = visit.query("id"), visit.query("after")
    after = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else -1
    entries = await visit.bridge.read_log(visit.who, conversation, after=after, limit=PER_PAGE)
    wrong = await visit.bridge.verify_log(visit.who, conversation) if visit.query("verify") else None
    return await visit.page(
        "log.html",
        conversation=conversation,
        lines=[line_of(each) for each in entries],
        wrong=wrong,
        more=entries[-1].seq if len(entries) == PER_PAGE else None,
    )


def line_of(logged: Logged | UnreadableEntry) -> Line:
    if isinstance(logged, UnreadableEntry):
        return Line(logged.seq, logged.at, logged.kind or "unreadable", body=marked(logged.why))
    fields = cast("dict[str, object]", json.loads(encode(logged.entry)))
    kind = str(fields.pop("kind", ""))
    fields.pop("v", None)
    text = pretty(json.dumps(fields, ensure_ascii=False))
    return Line(logged.seq, logged.at, kind, body=marked(text[:SHOWN]), left=max(0, len(text) - SHOWN))


PAGES = (Page("/log", index),)
