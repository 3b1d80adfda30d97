"""Events as lines of the log: one line each, and nothing of what people, models and tools wrote."""

from __future__ import annotations

import pytest

from bridge_mcp.core.activity import activity
from bridge_mcp.core.events import EVENT_TYPES, EVENTS, Event, EventType
from bridge_mcp.core.tools import JSON

PLANTED = "the words of somebody"
TEXTS = {
    "text",
    "arguments",
    "note",
    "edited",
    "quote",
    "reply_to",
    "forwarded_from",
    "buttons",
    "attachments",
    "emoji",
}
SILENT = {"tool.progress", "message.edited", "message.reacted", "message.reaction", "message.withdrawn", "chat.member",
          "pairing.requested"}  # fmt: skip
"""Types that have no line, or none that comes from the event alone."""


def body_of(kind: EventType) -> dict[str, JSON]:
    """A body with all of its names: words where words stand, and something with a line break in all else."""
    names = [name.rstrip("?") for name in EVENTS[kind].carries]
    whole: dict[str, JSON] = {name: PLANTED if name in TEXTS else f"{name}\nvalue" for name in names}
    if "from" in whole:
        whole["from"] = {"id": "7", "name": "Ann\n\u202e" + "x" * 500, "kind": "person", "text": PLANTED}
    return whole


@pytest.mark.shows("cli.log")
@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_a_line_tells_who_did_what_and_not_what_they_wrote(kind: EventType) -> None:
    line = activity(Event(kind, "family/1", 0.0, body=body_of(kind)))
    assert bool(line) != (kind in SILENT)
    assert PLANTED not in line
    assert "\n" not in line
    assert len(line) < 600


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_an_event_whose_entry_cannot_be_read_is_no_disaster(kind: EventType) -> None:
    activity(Event(kind, "family/1", 0.0, body={"unreadable": "damage"}))
