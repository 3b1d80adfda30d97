"""A store's life: many callers, many processes, cancelled callers, and its end."""

from __future__ import annotations

from contextlib import closing

import anyio
import pytest

from bridge_mcp.core.entries import Heard
from bridge_mcp.core.errors import Conflict, StoreError
from bridge_mcp.ports import Store
from tests.contract.store_kit import SOON_S, Place, heard, model_started, replied, say

HERE = "local/main"


async def test_many_callers_at_once_each_get_their_own_place(place: Place, store: Store) -> None:
    other = await place.open()
    places: list[tuple[int, str]] = []

    async def write(who: Store, key: str) -> None:
        (recorded,) = await who.log.record(HERE, heard(key))
        places.append((recorded.seq, key))

    async with anyio.create_task_group() as tasks:
        for n in range(100):
            tasks.start_soon(write, (store, other)[n % 2], f"m{n}")
    log = await store.log.load(HERE)
    assert [logged.seq for logged in log] == list(range(100))
    assert sorted(places) == [(e.seq, e.entry.key) for e in log if isinstance(e.entry, Heard)]


async def test_of_many_that_intend_at_one_place_one_wins(place: Place, store: Store) -> None:
    other = await place.open()
    won: list[int] = []

    async def intend(who: Store, n: int) -> None:
        try:
            await who.log.intend(HERE, 0, model_started(n))
        except Conflict:
            return
        won.append(n)

    async with anyio.create_task_group() as tasks:
        for n in range(40):
            tasks.start_soon(intend, (store, other)[n % 2], n)
    (only,) = await store.log.load(HERE)
    assert [only.entry] == [model_started(n) for n in won]


async def test_a_failing_operation_fails_alone(store: Store) -> None:
    """They share a commit with others; the others' writes are there, its own are not."""
    outcomes: dict[int, bool] = {}

    async def write(n: int) -> None:
        try:
            if n % 5 == 0:
                await store.log.intend(f"local/{n}", 3, heard("x"), model_started())
            else:
                await store.log.record(f"local/{n}", heard("x"))
        except Conflict:
            outcomes[n] = False
        else:
            outcomes[n] = True

    async with anyio.create_task_group() as tasks:
        for n in range(50):
            tasks.start_soon(write, n)
    assert outcomes == {n: n % 5 != 0 for n in range(50)}
    for n in range(50):
        assert len(await store.log.load(f"local/{n}")) == (0 if n % 5 == 0 else 1)


async def test_what_one_process_committed_another_reads_at_once(place: Place, store: Store) -> None:
    other = await place.open()
    for n in range(20):
        await say(store, HERE, f"text {n}")
        assert len(await other.log.load(HERE)) == n + 1
        assert (await other.feed.read(n, 5)).cursor == n + 1


async def test_two_processes_take_turns_by_conflict(place: Place, store: Store) -> None:
    other = await place.open()
    await say(store, HERE, "hi")
    (mine,) = await store.log.intend(HERE, 1, model_started())
    with pytest.raises(Conflict):
        await other.log.intend(HERE, 1, model_started())
    (theirs,) = await other.log.intend(HERE, 2, model_started())
    assert await store.log.answer(HERE, mine.seq, replied("mine")) is None
    assert await other.log.answer(HERE, theirs.seq, replied("theirs")) is not None


async def test_cancelling_a_caller_neither_loses_nor_halves_its_write(store: Store) -> None:
    async with anyio.create_task_group() as tasks:
        for n in range(20):
            tasks.start_soon(store.log.record, f"local/{n}", heard("one"), heard("two"))
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    await say(store, "local/after", "hi")
    lengths = [len(await store.log.load(f"local/{n}")) for n in range(20)]
    assert lengths == [2] * 20


async def test_a_store_outlives_its_object(place: Place, store: Store) -> None:
    await say(store, HERE, "hi")
    await store.close()
    again = await place.open()
    assert [logged.entry for logged in await again.log.load(HERE)] == [heard("hi")]


async def test_closing_finishes_what_was_begun(place: Place, store: Store) -> None:
    async with anyio.create_task_group() as tasks:
        for n in range(50):
            tasks.start_soon(store.log.record, f"local/{n}", heard("hi"))
        await anyio.wait_all_tasks_blocked()
        await store.close()
    again = await place.open()
    assert len((await again.history.conversations(limit=100))[0]) == 50


async def test_closing_twice_or_at_once_is_fine(place: Place, store: Store) -> None:
    await say(store, HERE, "hi")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.close)
        tasks.start_soon(store.close)
    await store.close()
    unused = await place.open()
    await unused.close()
    await unused.close()


async def test_a_closed_store_says_so(store: Store) -> None:
    await say(store, HERE, "hi")
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.log.record(HERE, heard("too late"))
    with pytest.raises(StoreError, match="closed"):
        await store.log.load(HERE)
    with pytest.raises(StoreError, match="closed"):
        await store.history.search("hi")


async def test_closing_wakes_who_waits_for_changes(store: Store) -> None:
    told: list[BaseException] = []

    async def wait() -> None:
        with closing(store.agenda.watch()) as changes:
            try:
                while True:
                    await changes.wait()
            except StoreError as exc:
                told.append(exc)

    with anyio.fail_after(SOON_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            await store.close()
    assert len(told) == 1
