"""`Traces`, edits and reactions: what stands on the platform, and what is done to a message afterwards."""

from __future__ import annotations

from bridge_mcp.core.entries import Button, Delivered, Edited, Failed, Posted, Reacted, Revised
from bridge_mcp.ports import ChannelOffset, Store
from tests.contract.store_kit import HOST, Place, heard, posted

HERE = "family/1"


async def test_a_message_is_found_by_what_the_platform_calls_it(store: Store) -> None:
    await store.log.record(HERE, heard("hi", "m9"), posted("one"), posted("two"))
    await store.log.record(HERE, Delivered(1, "sent", ("100", "101")))
    await store.log.record(HERE, Delivered(2, "uncertain", ("", "102")))
    assert [await store.traces.message(HERE, each) for each in ("m9", "100", "101", "102")] == [0, 1, 1, 2]
    for conversation, unknown in ((HERE, "103"), (HERE, ""), ("family/2", "100"), ("no/one", "100")):
        assert await store.traces.message(conversation, unknown) is None


async def test_a_button_is_found_by_its_token(store: Store) -> None:
    asked = Posted(
        "which?", HOST, "q", buttons=(Button("A", "a", "tok-a"), Button("B", "b", "tok-b"), Button("C", "c"))
    )
    await store.log.record(HERE, asked)
    await store.log.record(HERE, Revised(0, "which one?", HOST, key="r", buttons=(Button("A", "a", "tok-c"),)))
    assert await store.traces.button("tok-b") == (HERE, 0)
    assert await store.traces.button("tok-c") == (HERE, 1)
    assert await store.traces.button("") is None
    assert await store.traces.button("tok-d") is None


async def test_edits_show_in_the_message_and_are_no_messages(store: Store) -> None:
    await store.log.record(HERE, heard("teh cat", "m1"), posted("sure"))
    await store.log.record(HERE, Edited(0, "the cat", "m1:5"), Revised(1, "of course", HOST, key="r1"))
    await store.log.record(HERE, Edited(0, "the black cat", "m1:6"), Reacted(0, "👍", HOST, key="r2"))
    first, second = await store.history.messages(HERE)
    assert (first.text, first.edited, first.status) == ("the black cat", True, "received")
    assert (second.text, second.edited, second.status) == ("of course", True, "queued")
    known = await store.history.conversation(HERE)
    assert known is not None
    assert (known.messages, known.last_text) == (2, "sure")
    assert [event.type for event in (await store.feed.read(0, 10)).events] == [
        "message.received", "message.queued", "message.edited", "message.edited", "message.edited", "message.reacted",
    ]  # fmt: skip


async def test_the_same_edit_twice_is_one(store: Store) -> None:
    await store.log.record(HERE, heard("teh cat", "m1"))
    for _ in range(2):
        await store.log.record(HERE, Edited(0, "the cat", "m1:5"))
    assert len(await store.log.load(HERE)) == 2


async def test_what_is_to_be_done_to_a_message_goes_out_in_its_turn(store: Store) -> None:
    await store.log.record(HERE, posted("one"), Revised(0, "two", HOST, key="r", buttons=(Button("A", "a", "t"),)))
    await store.log.record(HERE, Reacted(0, "👍", HOST, key="r"))
    (first,) = await store.outbox.due(1000.0, 10)
    assert (first.seq, first.kind) == (0, "message")
    await store.log.record(HERE, Delivered(0, "sent", ("100",)))
    (edit,) = await store.outbox.due(1000.0, 10)
    assert (edit.seq, edit.kind, edit.target, edit.text, edit.buttons[0].label) == (1, "edit", 0, "two", "A")
    await store.log.record(HERE, Delivered(1))
    (reaction,) = await store.outbox.due(1000.0, 10)
    assert (reaction.seq, reaction.kind, reaction.target, reaction.text) == (2, "reaction", 0, "👍")
    await store.log.record(HERE, Failed("deliver", 2, "no such reaction"))
    assert await store.outbox.due(1000.0, 10) == ()


async def test_progress_by_parts_outlives_a_crash_and_a_failure(place: Place) -> None:
    store = await place.open()
    await store.log.record(HERE, posted("long"))
    await store.outbox.begin(HERE, 0)
    await store.outbox.progress(HERE, 0, 1, ("100",))
    await store.outbox.postpone(HERE, 0, 1005.0, "flood")
    assert await store.outbox.due(1004.0, 10) == ()
    other = await place.open()
    (message,) = await other.outbox.due(1005.0, 10)
    assert (message.parts, message.platform_ids, message.reason) == (1, ("100",), "flood")
    await other.log.record(HERE, Failed("deliver", 0, "blocked"))
    kept = await other.history.message(HERE, 0)
    assert kept is not None
    assert (kept.status, kept.platform_ids) == ("failed", ("100",)), "what went out is still said"


async def test_an_offset_is_set_with_the_entries_and_where_they_were_there_before(store: Store) -> None:
    await store.log.record(HERE, heard("hi", "m1"), offset=ChannelOffset("family", 7))
    assert await store.channel_state.offset("family") == 7
    (again,) = await store.log.record(HERE, heard("hi", "m1"), offset=ChannelOffset("family", 8))
    assert not again.new
    assert await store.channel_state.offset("family") == 8
