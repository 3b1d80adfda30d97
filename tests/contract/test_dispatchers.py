"""`Dispatcher`: which process drives which conversation, and when. One suite for all of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from bridge_mcp.engine.turns.scheduler import Scheduler
from bridge_mcp.ports import Agenda, Dispatcher, Driven, Store
from tests.contract.store_kit import SOON_S, SqlitePlace, say
from tests.contract.store_kit import StoreClock as Clock


@dataclass
class FakeDrives:
    """Drives that only look at the log: a message is answered by noting it, and resting."""

    store: Store
    most: int = 8
    under_way: set[str] = field(default_factory=set[str])
    seen: Counter[str] = field(default_factory=Counter[str])
    """How often each conversation was driven."""
    peak: int = 0
    twice: list[str] = field(default_factory=list[str])
    """Conversations that were handed out while they were driven here."""
    act: Callable[[str], Awaitable[Driven | None]] | None = None
    """What a drive does before it rests; its answer takes the place of resting."""
    told: anyio.Event = field(default_factory=anyio.Event)

    async def drive(self, conversation: str) -> Driven | None:
        if conversation in self.under_way:
            self.twice.append(conversation)
            return None
        self.under_way.add(conversation)
        self.peak = max(self.peak, len(self.under_way))
        try:
            return await self._drive(conversation)
        finally:
            self.under_way.discard(conversation)
            self.seen[conversation] += 1
            self.told.set()
            self.told = anyio.Event()

    async def _drive(self, conversation: str) -> Driven:
        if self.act is not None and (driven := await self.act(conversation)) is not None:
            return driven
        while True:
            known = await self.store.history.conversation(conversation)
            if known is None or await self.store.agenda.rest(conversation, known.head, None):
                return Driven()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, looking each time a drive has ended."""
        with anyio.fail_after(SOON_S):
            while not holds():
                await self.told.wait()


@dataclass
class LoopHouse:
    """One machine: one dispatcher on a store, told of commits as `ConversationDrives` tells it."""

    place: SqlitePlace
    store: Store
    clock: Clock

    def dispatcher(self) -> Dispatcher:
        return Scheduler(self.store.agenda, self.clock)

    def later(self, seconds: float) -> float:
        """A time so far from now, by the store's clock."""
        return self.clock.now() + seconds

    def pass_time(self, seconds: float, dispatcher: Dispatcher) -> None:
        """Have it pass; a machine that slept wakes up."""
        self.clock.time += seconds
        dispatcher.changed(None)


@asynccontextmanager
async def one_machine(tmp_path: Path) -> AsyncGenerator[LoopHouse]:
    place = SqlitePlace(tmp_path)
    store = await place.open()
    try:
        yield LoopHouse(place, store, place.clock)
    finally:
        await store.close()


HOUSES = (one_machine,)


@pytest.fixture(params=HOUSES, ids=lambda house: house.__name__)
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[LoopHouse]:
    async with request.param(tmp_path) as house:
        yield house


@asynccontextmanager
async def at_work(dispatcher: Dispatcher, drives: FakeDrives) -> AsyncGenerator[None]:
    """A dispatcher at work, with the hints that the engine gives."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow, drives.store.agenda, dispatcher)
        tasks.start_soon(dispatcher.run, drives)
        yield
        tasks.cancel_scope.cancel()


async def follow(agenda: Agenda, dispatcher: Dispatcher) -> None:
    changes = agenda.watch()
    try:
        while True:
            dispatcher.changed(await changes.wait())
    finally:
        changes.close()


async def test_what_is_due_is_driven_and_what_is_not_is_not(house: LoopHouse) -> None:
    await say(house.store, "local/a", "hi")
    await say(house.store, "local/resting", "hi")
    assert await house.store.agenda.rest("local/resting", 1, None)
    drives = FakeDrives(house.store)
    async with at_work(house.dispatcher(), drives):
        await drives.until(lambda: drives.seen["local/a"] == 1)
        await say(house.store, "local/b", "hi")
        await drives.until(lambda: drives.seen["local/b"] == 1)
    assert drives.seen == {"local/a": 1, "local/b": 1}


async def test_what_comes_in_during_a_drive_is_driven(house: LoopHouse) -> None:
    """Also where it comes after the drive has read the log for the last time."""
    late = 5

    async def act(conversation: str) -> Driven | None:
        nonlocal late
        known = await house.store.history.conversation(conversation)
        assert known is not None
        rests = await house.store.agenda.rest(conversation, known.head, None)
        if late:
            late -= 1
            await say(house.store, conversation, f"more {late}")
        return Driven() if rests else None

    drives = FakeDrives(house.store, act=act)
    await say(house.store, "local/a", "hi")
    async with at_work(house.dispatcher(), drives):
        await drives.until(lambda: drives.seen["local/a"] == 6)
    assert drives.twice == []


async def test_no_conversation_is_driven_twice_at_once(house: LoopHouse) -> None:
    busy = anyio.Event()

    async def act(conversation: str) -> Driven | None:
        busy.set()
        for n in range(10):
            await say(house.store, conversation, f"{conversation} {n}")
        return None

    drives = FakeDrives(house.store, act=act)
    await say(house.store, "local/a", "hi")
    async with at_work(house.dispatcher(), drives):
        await busy.wait()
        await drives.until(lambda: drives.seen["local/a"] >= 1 and not drives.under_way)
    assert drives.twice == []
    assert drives.peak == 1


async def test_at_most_so_many_are_driven_at_once_and_all_get_their_turn(house: LoopHouse) -> None:
    names = [f"local/{n}" for n in range(20)]
    for name in names:
        await say(house.store, name, "hi")

    async def act(conversation: str) -> Driven | None:
        await anyio.sleep(0.01)
        return None

    drives = FakeDrives(house.store, most=3, act=act)
    async with at_work(house.dispatcher(), drives):
        await drives.until(lambda: len(drives.seen) == 20)
    assert drives.peak == 3
    assert set(drives.seen) == set(names)


async def test_what_has_a_time_is_driven_at_that_time_and_holds_up_nothing_that_comes_in(house: LoopHouse) -> None:
    await say(house.store, "local/a", "hi")
    assert await house.store.agenda.rest("local/a", 1, house.later(0.5))
    drives, dispatcher = FakeDrives(house.store), house.dispatcher()
    async with at_work(dispatcher, drives):
        await say(house.store, "local/b", "hi")
        await drives.until(lambda: drives.seen["local/b"] == 1)
        house.pass_time(1.0, dispatcher)
        await drives.until(lambda: drives.seen["local/a"] == 1)
        await say(house.store, "local/a", "again")
        await drives.until(lambda: drives.seen["local/a"] == 2)
        # A later time of its own does not keep what comes in now from being driven.
        await say(house.store, "local/a", "later")
        await drives.until(lambda: drives.seen["local/a"] == 3)
        assert await house.store.agenda.rest("local/a", 3, house.later(3600.0))
        await say(house.store, "local/a", "now")
        await drives.until(lambda: drives.seen["local/a"] == 4)


async def test_a_drive_that_fails_is_made_again_after_its_pause_and_holds_up_no_other(house: LoopHouse) -> None:
    began: list[float] = []

    async def act(conversation: str) -> Driven | None:
        if conversation != "local/bad":
            return None
        began.append(time.monotonic())
        return Driven(0.0, pause_s=0.3) if len(began) < 3 else None

    drives = FakeDrives(house.store, most=1, act=act)
    await say(house.store, "local/bad", "hi")
    async with at_work(house.dispatcher(), drives):
        await drives.until(lambda: drives.seen["local/bad"] == 1)
        await say(house.store, "local/good", "hi")
        await drives.until(lambda: drives.seen["local/good"] == 1)
        assert drives.seen["local/bad"] == 1
        await drives.until(lambda: drives.seen["local/bad"] == 3)
    assert [later - earlier >= 0.29 for earlier, later in pairwise(began)] == [True, True]


async def test_what_waits_is_driven_once_more_when_that_is_asked_for(house: LoopHouse) -> None:
    for n in range(5):
        await say(house.store, f"local/{n}", "hi")
        assert await house.store.agenda.rest(f"local/{n}", 1, house.later(3600.0))

    async def act(conversation: str) -> Driven | None:
        return Driven(house.later(3600.0))  # it still waits

    drives, dispatcher = FakeDrives(house.store, most=2, act=act), house.dispatcher()
    async with at_work(dispatcher, drives):
        await drives.until(lambda: len(drives.seen) == 5)  # a new process looks by its own config
        before = drives.seen.copy()
        dispatcher.look_again()
        await drives.until(lambda: all(drives.seen[name] > before[name] for name in before))


async def test_what_was_driven_when_its_process_ended_is_driven_by_the_next(house: LoopHouse) -> None:
    await say(house.store, "local/a", "hi")

    async def hang(conversation: str) -> Driven | None:
        hangs.set()
        await anyio.sleep_forever()

    hangs = anyio.Event()
    drives = FakeDrives(house.store, act=hang)
    async with at_work(house.dispatcher(), drives):
        with anyio.fail_after(SOON_S):
            await hangs.wait()
    assert drives.under_way == set()
    following = FakeDrives(house.store)
    async with at_work(house.dispatcher(), following):
        await following.until(lambda: following.seen["local/a"] == 1)
