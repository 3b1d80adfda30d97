"""The list of events is so: every entry that the feed tells of has the type and the names that stand there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.core.entries import ENTRY_TYPES, Entry, Logged
from bridge_mcp.core.events import EVENT_TYPES, EVENTS, event_of
from tests.integration.setup import unlisted
from tests.unit.test_codec import built


@given(st.one_of([built(cls) for cls in ENTRY_TYPES]), st.booleans())
def test_what_an_entry_tells_is_listed(entry: Entry, delivered: bool) -> None:
    event = event_of("local/main", Logged(1, 0.0, entry), delivered=delivered)
    assert event is None or not unlisted(event), (event.type, unlisted(event))


def test_every_type_is_listed_once_and_in_order() -> None:
    assert tuple(EVENTS) == EVENT_TYPES
    assert all(info.about.endswith(".") for info in EVENTS.values())
