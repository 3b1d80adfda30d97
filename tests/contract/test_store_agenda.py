"""`Agenda` and `Changes`: which conversations have something to do, and who is told of commits."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import anyio
import pytest

from bridge_mcp.core.entries import Configured, Delivered, Entry, Failed, Finished, Requested, Stopped
from bridge_mcp.core.errors import StoreError
from bridge_mcp.core.events import Event
from bridge_mcp.core.grants import Grant
from bridge_mcp.ports import Changes, Store
from tests.contract.store_kit import (
    SOON_S,
    Place,
    heard,
    judged,
    model_started,
    posted,
    replied,
    say,
    turn,
)

HERE = "local/main"


async def due(store: Store, now: float = 1000.0, limit: int = 10) -> tuple[str, ...]:
    return await store.agenda.due(now, limit)


# -- what makes due ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "wakes"),
    [
        (heard(), True),
        (heard(to="relay"), False),
        (heard(answers=0), True),
        (posted(), False),
        (Configured("ann", "off"), False),
        (Delivered(0), False),
        (Failed("deliver", 0, "gone"), False),
        (Failed("model", 0, "busy", retry_at=5.0), True),
        (judged(), True),
        (Finished("1.0", "ok", ""), True),
        (Requested((), "host"), True),
        (Stopped("stop", 1), True),
    ],
)
async def test_recording_what_wakes_makes_due_at_once(store: Store, entry: Entry, wakes: bool) -> None:
    await store.log.record(HERE, entry)
    assert await due(store, now=0.0) == ((HERE,) if wakes else ())


async def test_recording_what_does_not_wake_leaves_the_time_as_it_was(store: Store) -> None:
    await store.log.intend(HERE, 0, model_started(), wake=1200.0)
    await store.log.record(HERE, posted())
    assert await due(store, 1199.0) == ()
    assert await due(store, 1200.0) == (HERE,)


async def test_a_fact_that_was_there_before_wakes_nobody(store: Store) -> None:
    await turn(store, HERE, "hi")
    await store.log.record(HERE, heard("hi"))
    assert await due(store) == ()


@pytest.mark.parametrize(("wake", "at"), [(0.0, 0.0), (1200.0, 1200.0), (None, None)])
async def test_an_intent_says_when_there_is_something_to_do(store: Store, wake: float | None, at: float | None) -> None:
    await say(store, HERE, "hi")
    await store.log.intend(HERE, 1, model_started(), wake=wake)
    if at is None:
        assert await due(store, float("inf")) == ()
    else:
        assert await due(store, at) == (HERE,)
        assert at == 0.0 or await due(store, at - 1) == ()


async def test_an_intent_is_due_at_once_unless_it_says_otherwise(store: Store) -> None:
    await store.log.intend(HERE, 0, model_started())
    assert await due(store, 0.0) == (HERE,)


@pytest.mark.parametrize("wake", [0.0, 1200.0, None])
async def test_an_answer_says_when_if_nothing_came_in_since(store: Store, wake: float | None) -> None:
    await say(store, HERE, "hi")
    await store.log.intend(HERE, 1, model_started())
    await store.log.record(HERE, posted())
    await store.log.answer(HERE, 1, replied(), wake=wake)
    assert await due(store, 1199.0) == ((HERE,) if wake == 0.0 else ())
    assert await due(store, 1200.0) == (() if wake is None else (HERE,))


async def test_an_answer_leaves_due_what_came_in_since(store: Store) -> None:
    await say(store, HERE, "hi")
    await store.log.intend(HERE, 1, model_started())
    await say(store, HERE, "and?")
    await store.log.answer(HERE, 1, replied(), wake=None)
    assert await due(store, 0.0) == (HERE,)


async def test_an_answer_that_was_dropped_changes_nothing(store: Store) -> None:
    await say(store, HERE, "hi")
    await store.log.intend(HERE, 1, model_started(), wake=1200.0)
    await store.log.answer(HERE, 0, replied(), wake=0.0)
    assert await due(store, 1199.0) == ()


# -- order ---------------------------------------------------------------------------------------------------


async def test_the_longest_due_comes_first(place: Place, store: Store) -> None:
    for conversation, now in (("local/b", 1010.0), ("local/a", 1020.0), ("local/c", 1005.0)):
        place.clock.time = now
        await say(store, conversation, "hi")
    await store.log.intend("local/t", 0, model_started(), wake=1012.0)
    assert await due(store, 1030.0) == ("local/c", "local/b", "local/t", "local/a")
    assert await due(store, 1030.0, limit=2) == ("local/c", "local/b")
    assert await due(store, 1011.0) == ("local/c", "local/b", "local/a"), "its time has not come"


async def test_what_is_due_keeps_its_place_while_more_comes_in(place: Place, store: Store) -> None:
    await say(store, "local/first", "hi")
    place.clock.time = 1010.0
    await say(store, "local/second", "hi")
    place.clock.time = 1020.0
    await say(store, "local/first", "and?")
    assert await due(store, 1030.0) == ("local/first", "local/second")


# -- next_due and rest ---------------------------------------------------------------------------------------


async def test_the_next_time_is_the_first_one_ahead(store: Store) -> None:
    assert await store.agenda.next_due(0.0) is None
    await say(store, "local/now", "hi")
    assert await store.agenda.next_due(0.0) is None, "what is due already is no time ahead"
    await store.log.intend("local/later", 0, model_started(), wake=1300.0)
    await store.log.intend("local/soon", 0, model_started(), wake=1200.0)
    assert await store.agenda.next_due(1000.0) == 1200.0
    assert await store.agenda.next_due(1200.0) == 1300.0
    assert await store.agenda.next_due(1300.0) is None


async def test_the_next_time_minds_queued_messages(store: Store) -> None:
    await store.log.record("family/1", posted())
    assert await store.agenda.next_due(1000.0) is None
    await store.outbox.begin("family/1", 0)
    await store.outbox.postpone("family/1", 0, 1100.0, "slow down")
    assert await store.agenda.next_due(1000.0) == 1100.0
    assert await store.agenda.next_due(1100.0) is None
    await store.outbox.begin("family/1", 0)
    assert await store.agenda.next_due(1000.0) is None, "it is on its way"
    await store.log.record("family/1", Delivered(0))
    assert await store.agenda.next_due(1000.0) is None


@pytest.mark.parametrize("until", [None, 1200.0])
async def test_resting_takes_off_the_agenda_until_then(store: Store, until: float | None) -> None:
    await say(store, HERE, "hi")
    for _ in range(2):
        assert await store.agenda.rest(HERE, 1, until)
        assert await due(store, 1199.0) == ()
        assert await store.agenda.next_due(1000.0) == until
    await say(store, HERE, "and?")
    assert await due(store) == (HERE,)


async def test_resting_is_refused_when_something_was_appended(store: Store) -> None:
    await say(store, HERE, "hi", "and?")
    for expected in (0, 1, 3):
        assert not await store.agenda.rest(HERE, expected, None)
    assert await due(store) == (HERE,)


async def test_resting_is_refused_when_something_comes_at_the_same_moment(store: Store) -> None:
    rested: list[bool] = []

    async def rest(expected: int) -> None:
        rested.append(await store.agenda.rest(HERE, expected, None))

    await say(store, HERE, "text 0")
    for n in range(1, 21):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(say, store, HERE, f"text {n}")
            tasks.start_soon(rest, n)
        assert await due(store) == (HERE,)
    assert rested == [False] * 20


async def test_a_conversation_that_is_not_there_can_only_rest_at_its_beginning(store: Store) -> None:
    assert await store.agenda.rest("local/nobody", 0, None)
    assert not await store.agenda.rest("local/nobody", 1, None)
    assert not await store.agenda.rest("local/nobody", 1, 1200.0)


async def test_resting_can_be_called_off(store: Store) -> None:
    await say(store, HERE, "hi")
    await store.agenda.rest(HERE, 1, None)
    await store.agenda.rest(HERE, 1, 0.0)
    assert await due(store, 0.0) == (HERE,)


# -- watching ------------------------------------------------------------------------------------------------


async def changed(changes: Changes) -> Mapping[str, int] | None:
    with anyio.fail_after(SOON_S):
        return await changes.wait()


async def drained(changes: Changes) -> Changes:
    """The subscription, once it has heard the hints that belong to its beginning."""
    while await changes.wait(0.2) != {}:
        pass
    return changes


async def test_own_commits_are_told_at_once_by_conversation(store: Store) -> None:
    with closing(store.agenda.watch()) as changes:
        await drained(changes)
        await say(store, "local/a", "hi")
        await say(store, "local/b", "hi")
        await say(store, "local/b", "hi again")
        assert await changed(changes) == {"local/a": 1, "local/b": 2}
        assert await changes.wait(0.0) == {}


async def test_each_way_to_append_tells_where_the_log_ends(store: Store) -> None:
    with closing(store.agenda.watch()) as changes:
        await drained(changes)
        await store.log.record(HERE, heard("hi"))
        assert await changed(changes) == {HERE: 1}
        await store.log.intend(HERE, 1, model_started())
        assert await changed(changes) == {HERE: 2}
        await store.log.answer(HERE, 1, replied())
        assert await changed(changes) == {HERE: 3}
        await store.log.answer(HERE, 1, replied())
        await store.log.record(HERE, heard("hi"))
        assert await changed(changes) == {HERE: 3}


async def test_a_watcher_that_leaves_conversations_to_others_is_told_of_all_else(place: Place, store: Store) -> None:
    other = await place.open()
    with closing(store.agenda.watch(conversations=False)) as changes:
        await drained(changes)
        await say(store, HERE, "hi")
        assert await changes.wait(0.0) == {}
        await store.status.put("engine", {"pid": 1})
        assert await changed(changes) is None
        await drained(changes)
        await other.log.record(HERE, heard("from elsewhere"))
        assert await changed(changes) is None


async def test_commits_that_tell_of_no_entry_are_told_too(store: Store) -> None:
    acts = [
        lambda: store.feed.publish(Event("pairing.requested", "", 1000.0)),
        lambda: store.grants.add(Grant(0, "files__*")),
        lambda: store.status.put("engine", {"pid": 1}),
    ]
    with closing(store.agenda.watch()) as changes:
        for act in acts:
            await drained(changes)
            await act()
            assert await changed(changes) is None


async def test_the_outbox_tells_of_its_conversation(store: Store) -> None:
    await store.log.record("family/1", posted())
    with closing(store.agenda.watch()) as changes:
        await drained(changes)
        await store.outbox.begin("family/1", 0)
        assert await changed(changes) == {"family/1": 0}
        await store.outbox.postpone("family/1", 0, 1100.0, "slow down")
        assert await changed(changes) == {"family/1": 0}


async def test_a_wait_ends_when_time_runs_out(store: Store) -> None:
    with closing(store.agenda.watch()) as changes:
        await drained(changes)
        with anyio.fail_after(SOON_S):
            assert await changes.wait(0.01) == {}


async def test_what_comes_between_two_waits_is_not_lost(store: Store) -> None:
    with closing(store.agenda.watch()) as changes:
        await drained(changes)
        with anyio.move_on_after(0.01):
            await changes.wait()
        await say(store, HERE, "hi")
        assert await changed(changes) == {HERE: 1}


async def test_every_watcher_is_told(store: Store) -> None:
    with closing(store.agenda.watch()) as one, closing(store.agenda.watch()) as other:
        await drained(one)
        await drained(other)
        await say(store, HERE, "hi")
        assert await changed(one) == {HERE: 1}
        assert await changed(other) == {HERE: 1}


async def test_commits_of_others_are_told_within_tens_of_milliseconds(place: Place, store: Store) -> None:
    other = await place.open()
    with closing(store.agenda.watch()) as changes:
        await drained(changes)
        for n in range(5):
            await other.log.record(HERE, heard(f"text {n}"))
            begin = anyio.current_time()
            assert await changed(changes) in (None, {HERE: n + 1})
            assert anyio.current_time() - begin < 1.0
            assert len(await store.log.load(HERE)) == n + 1


async def test_commits_of_others_are_told_whatever_happened_before_the_watch(place: Place, store: Store) -> None:
    other = await place.open()
    for n in range(3):
        with closing(store.agenda.watch()) as changes:
            await other.log.record(HERE, heard(f"text {n}"))
            told = await changed(changes)
            assert told is None or HERE in told


async def test_a_closed_subscription_wakes_its_waiter_and_says_so(store: Store) -> None:
    changes = store.agenda.watch()
    await drained(changes)
    ended = anyio.Event()

    async def wait() -> None:
        with pytest.raises(StoreError, match="closed"):
            await changes.wait()
        ended.set()

    with anyio.fail_after(SOON_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            changes.close()
            changes.close()
            await ended.wait()
    with pytest.raises(StoreError, match="closed"):
        await changes.wait(0.0)
