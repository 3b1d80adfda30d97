"""`Feed`: what happened, in one order, with cursors that survive whoever reads."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from bridge_mcp.core.entries import Delivered, Failed, Stopped, message_id
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.events import Event
from bridge_mcp.ports import EventPage, Store
from tests.contract.store_kit import Place, asked, heard, judged, posted, replied, say, turn

FAMILY = frozenset({"family"})


async def texts(store: Store, after: int = 0, limit: int = 100, **where: Any) -> list[object]:
    page = await store.feed.read(after, limit, **where)
    return [event.body["text"] for event in page.events]


async def test_an_empty_feed(store: Store) -> None:
    assert await store.feed.head() == 0
    assert await store.feed.read(0, 10) == EventPage((), 0)


async def test_events_are_in_one_order_and_whole(store: Store) -> None:
    await turn(store, "local/a", "how are you?", "I am well.")
    await say(store, "family/1", "hi")
    page = await store.feed.read(0, 10)
    assert [event.cursor for event in page.events] == [1, 2, 3]
    assert page.cursor == await store.feed.head() == 3
    assert page.events[0] == Event(
        "message.received",
        "local/a",
        1000.0,
        body={
            "message": "local/a#0",
            "from": {"id": "7", "name": "Ann", "kind": "person"},
            "text": "how are you?",
            "attachments": [],
            "to": "assistant",
            "answers": None,
            "reply_to": None,
            "quote": None,
            "forwarded_from": None,
            "late": False,
        },
        cursor=1,
    )
    assert page.events[1].type == "turn.finished"
    assert page.events[1].body["text"] == "I am well."
    assert page.events[2].conversation == "family/1"


async def test_a_message_is_told_as_sent_where_a_commit_is_a_delivery(store: Store) -> None:
    for conversation in ("local/a", "family/1"):
        await store.log.record(conversation, posted())
    await store.log.record("family/1", Delivered(0))
    told = [(event.type, event.conversation) for event in (await store.feed.read(0, 10)).events]
    assert told == [("message.sent", "local/a"), ("message.queued", "family/1"), ("message.sent", "family/1")]


async def test_pages_follow_one_another_without_gap_or_repeat(store: Store) -> None:
    await say(store, "local/a", *(f"text {n}" for n in range(7)))
    seen: list[object] = []
    cursor = 0
    while cursor < await store.feed.head():
        page = await store.feed.read(cursor, 3)
        assert 0 < len(page.events) <= 3
        seen += [event.body["text"] for event in page.events]
        cursor = page.cursor
    assert seen == [f"text {n}" for n in range(7)]


async def test_no_room_for_events_moves_no_cursor(store: Store) -> None:
    await say(store, "local/a", "hi")
    assert await store.feed.read(0, 0) == EventPage((), 0)


async def test_events_are_found_by_type_conversation_and_channel(store: Store) -> None:
    await say(store, "local/a", "a")
    await say(store, "family/1", "b", "c")
    await say(store, "family/2", "d")
    await store.log.record("family/1", posted("e"))
    await say(store, "familybusiness/1", "f")
    assert await texts(store, types=("message.received",), conversation="family/1") == ["b", "c"]
    assert await texts(store, within=FAMILY) == ["b", "c", "d", "e"]
    assert await texts(store, within=FAMILY, types=("message.queued",)) == ["e"]
    assert await texts(store, conversation="family/1", within=frozenset({"local"})) == []
    assert await texts(store, after=2, limit=2, within=FAMILY) == ["c", "d"]


async def test_a_page_of_few_events_says_how_far_it_looked(store: Store) -> None:
    await say(store, "local/a", *(f"text {n}" for n in range(600)))
    page = await store.feed.read(0, 10, conversation="local/other")
    assert (page.events, page.cursor) == ((), 600)
    page = await store.feed.read(0, 10, types=("message.received",))
    assert page.cursor == page.events[-1].cursor == 10


async def test_a_cursor_from_the_future_is_refused(store: Store) -> None:
    await say(store, "local/a", "hi")
    for cursor in (2, 10**6, 10**30):
        with pytest.raises(BadInput, match=str(cursor)) as caught:
            await store.feed.read(cursor, 10)
        assert caught.value.fix
        with pytest.raises(BadInput):
            await store.feed.acknowledge("host/c", cursor)
    assert await store.feed.acknowledge("host/c", -1) == 0


async def test_what_tells_of_no_entry_stands_between_the_others(store: Store) -> None:
    await say(store, "local/a", "hi")
    event = Event("pairing.requested", "", 1234.5, body={"channel": "family", "subject": "42", "expires_at": None})
    await store.feed.publish(event, event)
    await store.feed.publish()
    await say(store, "local/a", "and?")
    told = (await store.feed.read(0, 10)).events
    assert [each.cursor for each in told] == [1, 2, 3, 4]
    assert told[1] == Event(event.type, "", 1234.5, body=event.body, cursor=2)
    assert await store.feed.read(1, 10, types=("pairing.requested",)) == EventPage((told[1], told[2]), 4)
    assert (await store.feed.read(1, 10, within=frozenset({"local"}))).events == (told[3],)


async def test_pruning_forgets_the_oldest_and_a_reader_is_told_of_the_gap(store: Store) -> None:
    await say(store, "local/a", *(f"text {n}" for n in range(5)))
    assert await store.feed.prune(3) == 2
    assert await store.feed.prune(3) == 0
    page = await store.feed.read(0, 10)
    assert ([event.cursor for event in page.events], page.gap, page.first_available) == ([3, 4, 5], True, 3)
    assert (await store.feed.read(1, 10)).gap
    page = await store.feed.read(2, 10)
    assert ([event.cursor for event in page.events], page.gap) == ([3, 4, 5], False)


async def test_cursors_go_on_after_all_was_pruned(store: Store) -> None:
    await say(store, "local/a", "one", "two")
    assert await store.feed.prune(10**30) == 2
    assert await store.feed.head() == 2
    page = await store.feed.read(0, 10)
    assert (page.events, page.cursor, page.gap, page.first_available) == ((), 2, True, 3)
    assert not (await store.feed.read(2, 10)).gap
    await say(store, "local/a", "three")
    page = await store.feed.read(2, 10)
    assert ([event.cursor for event in page.events], page.gap) == ([3], False)


async def test_much_is_pruned_in_one_call(store: Store) -> None:
    await store.feed.publish(*(Event("pairing.requested", "", float(n)) for n in range(4500)))
    assert await store.feed.prune(4400) == 4399
    assert (await store.feed.read(4399, 200)).first_available == 4400


async def test_pruned_events_leave_log_and_messages_alone(store: Store) -> None:
    await say(store, "local/a", "one")
    await store.feed.prune(2)
    assert len(await store.log.load("local/a")) == 1
    assert len(await store.history.messages("local/a")) == 1


async def test_a_consumers_cursor_is_kept_and_never_moves_back(place: Place, store: Store) -> None:
    await say(store, "local/a", "one", "two", "three")
    assert await store.feed.acknowledge("host/c", -1) == 0
    assert await store.feed.acknowledge("host/c", 2) == 2
    assert await store.feed.acknowledge("host/c", 1) == 2
    assert await store.feed.acknowledge("host/c", 0) == 2
    assert await store.feed.acknowledge("host/other", -1) == 0
    other = await place.open()
    assert await other.feed.acknowledge("host/c", -1) == 2
    assert await other.feed.acknowledge("host/c", 3) == 3
    assert await store.feed.acknowledge("host/c", 2) == 3


async def test_of_two_acknowledgements_at_once_the_further_one_holds(store: Store) -> None:
    await say(store, "local/a", *(f"text {n}" for n in range(40)))
    for n in range(0, 40, 2):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.feed.acknowledge, "host/c", n + 2)
            tasks.start_soon(store.feed.acknowledge, "host/c", n + 1)
        assert await store.feed.acknowledge("host/c", -1) == n + 2


async def test_each_entry_that_tells_something_is_told_once(store: Store) -> None:
    here = "family/1"
    await store.log.intend(here, 0, heard("hi"), asked(), judged(verdict="rejected", note="no"), wake=None)
    await store.log.record(
        here,
        heard("hi"),
        replied(""),
        Failed("model", 1, "busy", retry_at=5.0),
        posted("sorry"),
        Failed("deliver", 5, "gone"),
        Stopped("spent", 6, text="enough"),
    )
    told = (await store.feed.read(0, 20)).events
    assert [event.type for event in told] == [
        "message.received",
        "approval.requested",
        "approval.decided",
        "model.failed",
        "message.queued",
        "message.failed",
        "turn.stopped",
    ]
    assert told[5].body == {"message": message_id(here, 5), "reason": "gone"}
