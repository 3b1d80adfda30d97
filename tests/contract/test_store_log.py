"""`LogStore`: reading a log, the three ways to append, and what follows from an entry in the same transaction."""

from __future__ import annotations

import pytest

from bridge_mcp.core.entries import (
    Cleared,
    Configured,
    Delivered,
    Entry,
    Failed,
    Finished,
    Heard,
    Logged,
    Posted,
    Replied,
    Requested,
    Started,
    Stopped,
)
from bridge_mcp.core.errors import BadInput, Conflict
from bridge_mcp.ports import Recorded, Store
from tests.contract.store_kit import (
    Place,
    asked,
    heard,
    judged,
    model_started,
    posted,
    replied,
    say,
)

HERE = "local/main"

# -- reading -------------------------------------------------------------------------------------------------


async def test_a_log_is_read_in_order_from_after_a_seq_or_from_the_end(store: Store) -> None:
    await say(store, HERE, *(f"text {n}" for n in range(10)))

    async def seqs(after: int = -1, *, first: int | None = None, last: int | None = None) -> list[int]:
        return [logged.seq for logged in await store.log.load(HERE, after, first=first, last=last)]

    assert await seqs() == list(range(10))
    assert await seqs(after=6) == [7, 8, 9]
    assert await seqs(first=2) == [0, 1]
    assert await seqs(after=6, first=2) == [7, 8]
    assert await seqs(last=3) == [7, 8, 9]
    assert await seqs(after=7, last=5) == [8, 9]
    assert await seqs(after=2, last=3) == [7, 8, 9]
    assert await seqs(after=9) == []
    assert await seqs(after=50) == []
    assert await seqs(last=0) == []
    assert await seqs(last=99) == list(range(10))


async def test_an_entry_is_found_by_its_seq(store: Store) -> None:
    await say(store, HERE, "first", "second")
    second = await store.log.entry(HERE, 1)
    assert second == (await store.log.load(HERE))[1]
    assert await store.log.entry(HERE, 2) is None
    assert await store.log.entry(HERE, -1) is None
    assert await store.log.entry("local/nobody", 0) is None


async def test_the_end_of_a_log_reaches_back_to_what_is_not_settled(store: Store) -> None:
    """`decide` needs that, however long ago it was."""

    async def seqs(limit: int) -> list[int]:
        return [logged.seq for logged in await store.log.tail(HERE, limit)]

    assert await seqs(3) == []
    await store.log.record(HERE, *[heard(str(n), key=f"old{n}", to="off") for n in range(5)])
    assert await store.log.unsettled(HERE) is None
    assert await seqs(3) == [2, 3, 4]
    await say(store, HERE, "hi")
    await store.log.record(HERE, *[heard(str(n), key=f"new{n}", to="off") for n in range(400)])
    assert await store.log.unsettled(HERE) == 5
    assert await seqs(3) == list(range(5, 406))
    assert await seqs(402) == list(range(4, 406))
    assert await store.log.tail(HERE, 402) == (await store.log.load(HERE))[4:]
    assert await seqs(9_999) == list(range(406))


async def test_an_entry_is_found_by_its_key_in_its_own_conversation_alone(store: Store) -> None:
    await say(store, HERE, *(f"text {n}" for n in range(3)))
    await store.log.record(HERE, Finished("4.0", "ok", "done"))
    found = await store.log.find(HERE, "tool:4.0")
    assert found is not None
    assert (found.seq, found.entry) == (3, Finished("4.0", "ok", "done"))
    assert await store.log.find(HERE, "tool:4.1") is None
    assert await store.log.find("local/other", "tool:4.0") is None


async def test_the_calls_since_a_moment_are_found_in_all_logs(place: Place, store: Store) -> None:
    clock = place.clock
    for number, conversation in enumerate((HERE, "local/other", HERE)):
        call = f"{number}.0"
        await store.log.record(conversation, asked(call))
        clock.time += 10
        await store.log.record(conversation, judged(call), Started("tool", call=call, tool="files__delete"))
        await store.log.record(conversation, Finished(call, "ok", "done"))
        clock.time += 10
    await store.log.record(HERE, Started("tool", call="9.0", tool="files__x"), model_started())
    first, second, third = (HERE, "0.0"), ("local/other", "1.0"), (HERE, "2.0")
    assert await store.log.calls_since(0.0, 10) == (first, second, third, (HERE, "9.0"))
    assert await store.log.calls_since(1015.0, 10) == (second, third, (HERE, "9.0"))
    assert await store.log.calls_since(0.0, 2) == (third, (HERE, "9.0")), "the newest"
    assert await store.log.calls_since(clock.time + 1, 10) == ()


async def test_a_conversation_without_entries_is_empty(store: Store) -> None:
    assert await store.log.load("local/nobody") == ()
    assert await store.history.conversation("local/nobody") is None


async def test_a_long_log_is_read_whole(store: Store) -> None:
    await say(store, HERE, *(f"text {n}" for n in range(700)))
    log = await store.log.load(HERE)
    assert [logged.seq for logged in log] == list(range(700))
    assert log[650].entry == heard("text 650")


async def test_entries_come_back_as_they_were(store: Store) -> None:
    entries = [
        heard("ünï\0cödé 🎉\r\n'\"; DROP TABLE log; --"),
        posted(files=2),
        Configured("ann", "relay"),
        Requested((), "host"),
    ]
    await store.log.record(HERE, *entries)
    assert [logged.entry for logged in await store.log.load(HERE)] == entries


async def test_text_that_is_no_unicode_is_refused_and_nothing_is_written(store: Store) -> None:
    with pytest.raises(BadInput):
        await store.log.record(HERE, heard("fine"), heard("half a \ud83d pair"))
    assert await store.log.load(HERE) == ()


# -- time and place ------------------------------------------------------------------------------------------


async def test_time_is_what_the_clock_showed_and_the_seq_is_the_order(place: Place, store: Store) -> None:
    for now in (1000.0, 900.0, 1500.0):
        place.clock.time = now
        await say(store, HERE, f"at {now}")
    assert [logged.at for logged in await store.log.load(HERE)] == [1000.0, 900.0, 1500.0]
    place.clock.time = 800.0
    await say(store, "local/other", "first")
    assert (await store.log.load("local/other"))[0].at == 800.0


# -- intend --------------------------------------------------------------------------------------------------


async def test_intents_are_appended_at_the_expected_place_only(store: Store) -> None:
    await say(store, HERE, "hi")
    appended = await store.log.intend(HERE, 1, model_started(), asked())
    assert appended == (Logged(1, 1000.0, model_started()), Logged(2, 1000.0, asked()))
    for expected in (0, 2, 4):
        with pytest.raises(Conflict, match=HERE) as caught:
            await store.log.intend(HERE, expected, model_started())
        assert caught.value.fix
    assert [logged.seq for logged in await store.log.load(HERE)] == [0, 1, 2]


async def test_an_intent_can_begin_a_conversation(store: Store) -> None:
    with pytest.raises(Conflict):
        await store.log.intend("calls/host.1", 1, Requested((), "host"))
    assert await store.log.load("calls/host.1") == ()
    await store.log.intend("calls/host.1", 0, Requested((), "host"))
    assert len(await store.log.load("calls/host.1")) == 1


async def test_an_intent_whose_key_is_taken_conflicts_and_writes_nothing(store: Store) -> None:
    await store.log.intend(HERE, 0, asked(), judged(by="ann"))
    with pytest.raises(Conflict):
        await store.log.intend(HERE, 2, Stopped("stop", 2), judged(by="bob"))
    assert len(await store.log.load(HERE)) == 2


async def test_no_intents_are_no_append(store: Store) -> None:
    assert await store.log.intend(HERE, 0) == ()
    assert await store.log.record(HERE) == ()
    assert await store.history.conversation(HERE) is None


# -- record --------------------------------------------------------------------------------------------------

KEYED: tuple[tuple[Entry, Entry], ...] = (
    (heard("one", "m1"), heard("two", "m1")),
    (posted("one", "p1"), posted("two", "p1")),
    (judged(by="ann"), judged(verdict="rejected", by="bob")),
    (Finished("1.0", "ok", "done"), Finished("1.0", "unknown", "who knows")),
    (Delivered(0, "sent", ("9",)), Delivered(0, "uncertain")),
    (Delivered(0), Failed("deliver", 0, "gone")),
    (Failed("model", 0, "busy", retry_at=5.0), Failed("model", 0, "bad key")),
)


@pytest.mark.parametrize(("first", "second"), KEYED)
async def test_a_fact_is_recorded_once_per_key(store: Store, first: Entry, second: Entry) -> None:
    await say(store, HERE, "before")
    assert await store.log.record(HERE, first) == (Recorded(1, new=True),)
    await say(store, HERE, "between")
    assert await store.log.record(HERE, second) == (Recorded(1, new=False),)
    assert [logged.entry for logged in await store.log.load(HERE)] == [heard("before"), first, heard("between")]


async def test_keys_count_within_one_call_and_only_within_one_conversation(store: Store) -> None:
    twice = (heard("one", "m1"), heard("two", "m1"), heard("three", "m3"))
    assert await store.log.record(HERE, *twice) == (Recorded(0, True), Recorded(0, False), Recorded(1, True))
    assert await store.log.record("local/other", heard("one", "m1")) == (Recorded(0, True),)


async def test_facts_without_a_key_are_recorded_each_time(store: Store) -> None:
    for _ in range(2):
        await store.log.record(HERE, Cleared("ann"), Failed("deliver", 0, "busy", retry_at=5.0))
    assert len(await store.log.load(HERE)) == 4


# -- answer --------------------------------------------------------------------------------------------------


async def begun(store: Store) -> int:
    """A message, and the model call for it."""
    await say(store, HERE, "hi")
    ((logged),) = await store.log.intend(HERE, 1, model_started())
    return logged.seq


async def test_an_answer_to_the_latest_model_call_is_appended(store: Store) -> None:
    started = await begun(store)
    await say(store, HERE, "are you there?")
    assert await store.log.answer(HERE, started, replied()) == Logged(3, 1000.0, replied())


@pytest.mark.parametrize(
    "since",
    [
        [Started("model", turn=0)],
        [Stopped("stop", 2)],
        [Cleared("ann")],
        [Stopped("stop", 2), heard("again"), Started("model", turn=3)],
    ],
    ids=["another call", "stopped", "cleared", "stopped and begun anew"],
)
async def test_an_answer_that_came_too_late_is_dropped(store: Store, since: list[Entry]) -> None:
    started = await begun(store)
    await store.log.intend(HERE, started + 1, *since)
    length = len(await store.log.load(HERE))
    assert await store.log.answer(HERE, started, replied()) is None
    assert await store.log.answer(HERE, started, Failed("model", started, "busy", retry_at=5.0)) is None
    assert len(await store.log.load(HERE)) == length


async def test_a_model_call_has_one_answer(store: Store) -> None:
    started = await begun(store)
    failed = await store.log.answer(HERE, started, Failed("model", started, "busy", retry_at=5.0))
    assert failed is not None
    assert await store.log.answer(HERE, started, replied()) is None
    (again,) = await store.log.intend(HERE, failed.seq + 1, model_started())
    assert await store.log.answer(HERE, again.seq, replied()) is not None
    assert await store.log.answer(HERE, again.seq, replied("once more")) is None


async def test_an_answer_to_what_was_never_begun_is_dropped(store: Store) -> None:
    assert await store.log.answer(HERE, 0, replied()) is None
    await say(store, HERE, "hi")
    assert await store.log.answer(HERE, 0, replied()) is None
    assert await store.log.answer(HERE, 7, replied()) is None


async def test_tool_calls_and_messages_leave_a_model_call_open(store: Store) -> None:
    started = await begun(store)
    await store.log.record(HERE, heard("and?"), Delivered(0), Finished("1.0", "ok", ""), Failed("model", 99, "old"))
    await store.log.intend(HERE, 6, Started("tool", call="1.0"))
    assert await store.log.answer(HERE, started, replied()) is not None


# -- together or not at all ----------------------------------------------------------------------------------


async def test_what_follows_from_an_entry_is_there_when_the_append_returns(store: Store) -> None:
    await store.log.record(HERE, heard("hi"))
    await store.log.intend(HERE, 1, asked())
    assert [message.text for message in await store.history.messages(HERE)] == ["hi"]
    assert [approval.call for approval in await store.approvals.find(status="waiting")] == ["1.0"]
    assert [event.type for event in (await store.feed.read(0, 10)).events] == ["message.received", "approval.requested"]
    assert await store.agenda.due(0.0, 10) == (HERE,)


async def test_a_conflict_leaves_no_trace(store: Store) -> None:
    await say(store, HERE, "hi")
    cursor = await store.feed.head()
    for conversation, expected in ((HERE, 0), (HERE, 9), ("local/new", 3)):
        with pytest.raises(Conflict):
            await store.log.intend(conversation, expected, heard("x"), asked(), Configured("ann", "off"))
    assert await store.feed.head() == cursor
    assert await store.approvals.find() == ()
    assert await store.history.conversation("local/new") is None
    known = await store.history.conversation(HERE)
    assert known is not None
    assert (known.head, known.messages, known.responder) == (1, 1, None)


@pytest.mark.parametrize(
    "entry", [heard(), posted(), replied(), Stopped("spent", 0, text="Sorry."), Stopped("spent", 0)]
)
async def test_messages_of_every_kind_are_counted_and_listed(store: Store, entry: Entry) -> None:
    assert isinstance(entry, Heard | Posted | Replied | Stopped)
    await store.log.record(HERE, entry)
    known = await store.history.conversation(HERE)
    assert known is not None
    assert known.messages == (1 if entry.text else 0)
    assert known.last_text == entry.text
    assert [message.text for message in await store.history.messages(HERE)] == ([entry.text] if entry.text else [])
