"""`Dispatcher`: which process drives which conversation, and when. One suite for all of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import anyio
import anyio.abc
import pytest

from bridge_mcp.engine.turns.scheduler import Scheduler
from bridge_mcp.ports import Agenda, Clock, Dispatcher, Driven, Store
from bridge_mcp.stores.postgres.store import open_store
from bridge_mcp.workers.clock import DatabaseClock
from bridge_mcp.workers.jobs import JobDispatcher
from bridge_mcp.workers.session import DirectSession
from tests.contract.store_kit import SOON_S, SqlitePlace, say
from tests.servers.postgres import Database


@dataclass
class FakeDrives:
    """Drives that only look at the log: a message is answered by noting it, and resting."""

    store: Store
    most: int = 8
    under_way: set[str] = field(default_factory=set[str])
    seen: Counter[str] = field(default_factory=Counter[str])
    """How often each conversation was driven."""
    rested: dict[str, int] = field(default_factory=dict[str, int])
    """The length of each conversation's log when its last drive ended: one drive more than expected changes nothing."""
    peak: int = 0
    twice: list[str] = field(default_factory=list[str])
    """Conversations that were handed out while they were driven here."""
    act: Callable[[str], Awaitable[Driven | None]] | None = None
    """What a drive does before it rests; its answer takes the place of resting."""
    given_up: list[str] = field(default_factory=list[str])
    told: anyio.Event = field(default_factory=anyio.Event)

    async def give_up(self, conversation: str, why: str) -> None:
        self.given_up.append(conversation)

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
            if known is None:
                return Driven()
            if await self.store.agenda.rest(conversation, known.head, None):
                self.rested[conversation] = known.head
                return Driven()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, looking each time a drive has ended."""
        with anyio.fail_after(SOON_S):
            while not holds():
                await self.told.wait()


@dataclass
class House:
    """A store, and dispatchers on it."""

    store: Store
    clock: Clock
    make: Callable[[anyio.abc.TaskGroup], Dispatcher]
    """A dispatcher, as of a process of its own; what it needs runs in the group."""
    sleeps: Callable[[float], None] = lambda seconds: None
    """Moves a clock that moves only when told to."""

    def later(self, seconds: float) -> float:
        """A time so far from now, by the store's clock."""
        return self.clock.now() + seconds

    def pass_time(self, seconds: float, dispatcher: Dispatcher) -> None:
        """Have it pass; a machine that slept wakes up."""
        self.sleeps(seconds)
        dispatcher.changed(None)

    @asynccontextmanager
    async def at_work(self, drives: FakeDrives) -> AsyncGenerator[Dispatcher]:
        """A dispatcher at work, with the hints that the engine gives."""
        async with anyio.create_task_group() as around, anyio.create_task_group() as tasks:
            dispatcher = self.make(around)
            tasks.start_soon(follow, drives.store.agenda, dispatcher)
            tasks.start_soon(dispatcher.run, drives)
            yield dispatcher
            tasks.cancel_scope.cancel()
            around.cancel_scope.cancel()


@asynccontextmanager
async def one_machine(request: pytest.FixtureRequest) -> AsyncGenerator[House]:
    """The loop of one machine, on SQLite."""
    place = SqlitePlace(request.getfixturevalue("tmp_path"))
    store = await place.open()

    def sleeps(seconds: float) -> None:
        place.clock.time += seconds

    try:
        yield House(store, place.clock, lambda _: Scheduler(store.agenda, place.clock), sleeps)
    finally:
        await store.close()


@asynccontextmanager
async def many_machines(request: pytest.FixtureRequest) -> AsyncGenerator[House]:
    """Jobs of Procrastinate's, on Postgres."""
    database: Database = request.getfixturevalue("database")
    clock = DatabaseClock()
    store = await open_store(database.url, clock=clock, delivered_by_commit=frozenset({"local"}))

    def make(tasks: anyio.abc.TaskGroup) -> Dispatcher:
        session = DirectSession(database.url, clock)
        tasks.start_soon(session.run)
        return JobDispatcher(database.url, session, store, lambda: True)

    try:
        yield House(store, clock, make)
    finally:
        await store.close()


HOUSES = (one_machine, many_machines)


@pytest.fixture(params=HOUSES, ids=lambda house: house.__name__)
async def house(request: pytest.FixtureRequest) -> AsyncGenerator[House]:
    async with request.param(request) as house:
        yield house


async def follow(agenda: Agenda, dispatcher: Dispatcher) -> None:
    changes = agenda.watch()
    try:
        while True:
            dispatcher.changed(await changes.wait())
    finally:
        changes.close()


async def test_what_is_due_is_driven_and_what_is_not_is_not(house: House) -> None:
    await say(house.store, "local/a", "hi")
    drives = FakeDrives(house.store)
    async with house.at_work(drives):
        await drives.until(lambda: drives.seen["local/a"] == 1)
        await say(house.store, "local/b", "hi")
        await drives.until(lambda: drives.seen["local/b"] == 1)
        await say(house.store, "local/b", "again")
        await drives.until(lambda: drives.seen["local/b"] == 2)
    assert drives.seen == {"local/a": 1, "local/b": 2}


async def test_what_comes_in_during_a_drive_is_driven(house: House) -> None:
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
    async with house.at_work(drives):
        await drives.until(lambda: drives.seen["local/a"] == 6)
    assert drives.twice == []


async def test_no_conversation_is_driven_twice_at_once(house: House) -> None:
    busy = anyio.Event()

    async def act(conversation: str) -> Driven | None:
        busy.set()
        for n in range(10):
            await say(house.store, conversation, f"{conversation} {n}")
        return None

    drives = FakeDrives(house.store, act=act)
    await say(house.store, "local/a", "hi")
    async with house.at_work(drives):
        await busy.wait()
        await drives.until(lambda: drives.seen["local/a"] >= 1 and not drives.under_way)
    assert drives.twice == []
    assert drives.peak == 1


async def test_at_most_so_many_are_driven_at_once_and_all_get_their_turn(house: House) -> None:
    names = [f"local/{n}" for n in range(20)]
    for name in names:
        await say(house.store, name, "hi")

    async def act(conversation: str) -> Driven | None:
        await anyio.sleep(0.01)
        return None

    drives = FakeDrives(house.store, most=3, act=act)
    async with house.at_work(drives):
        await drives.until(lambda: len(drives.seen) == 20)
    assert drives.peak == 3
    assert set(drives.seen) == set(names)


async def test_what_has_a_time_is_driven_at_that_time_and_holds_up_nothing_that_comes_in(house: House) -> None:
    await say(house.store, "local/a", "hi")
    assert await house.store.agenda.rest("local/a", 1, house.later(0.5))
    drives = FakeDrives(house.store)
    async with house.at_work(drives) as dispatcher:
        await say(house.store, "local/b", "hi")
        await drives.until(lambda: drives.rested.get("local/b") == 1)
        house.pass_time(1.0, dispatcher)
        await drives.until(lambda: drives.rested.get("local/a") == 1)
        await say(house.store, "local/a", "again")
        await drives.until(lambda: drives.rested.get("local/a") == 2)
        # A later time of its own does not keep what comes in now from being driven.
        await say(house.store, "local/a", "later")
        await drives.until(lambda: drives.rested.get("local/a") == 3)
        assert await house.store.agenda.rest("local/a", 3, house.later(3600.0))
        await say(house.store, "local/a", "now")
        await drives.until(lambda: drives.rested.get("local/a") == 4)


async def test_a_drive_that_fails_is_made_again_after_its_pause_and_holds_up_no_other(house: House) -> None:
    began: list[float] = []
    pauses = (1.0, 0.2)

    async def act(conversation: str) -> Driven | None:
        if conversation != "local/bad":
            return None
        began.append(time.monotonic())
        return Driven(0.0, pause_s=pauses[len(began) - 1]) if len(began) < 3 else None

    drives = FakeDrives(house.store, most=1, act=act)
    await say(house.store, "local/bad", "hi")
    async with house.at_work(drives):
        await drives.until(lambda: drives.seen["local/bad"] == 1)
        await say(house.store, "local/good", "hi")
        await drives.until(lambda: drives.seen["local/good"] == 1)
        assert drives.seen["local/bad"] == 1
        await drives.until(lambda: drives.seen["local/bad"] == 3)
    found = [later - earlier for earlier, later in pairwise(began)]
    assert all(between >= pause - 0.01 for between, pause in zip(found, pauses, strict=True)), found


async def test_what_waits_is_driven_once_more_when_that_is_asked_for(house: House) -> None:
    for n in range(5):
        await say(house.store, f"local/{n}", "hi")
        assert await house.store.agenda.rest(f"local/{n}", 1, house.later(3600.0))

    async def act(conversation: str) -> Driven | None:
        return Driven(house.later(3600.0))  # it still waits

    drives = FakeDrives(house.store, most=2, act=act)
    async with house.at_work(drives) as dispatcher:
        await drives.until(lambda: len(drives.seen) == 5)  # a new process looks by its own config
        before = drives.seen.copy()
        dispatcher.look_again()
        await drives.until(lambda: all(drives.seen[name] > before[name] for name in before))


async def test_what_was_driven_when_its_process_ended_is_driven_by_the_next(house: House) -> None:
    await say(house.store, "local/a", "hi")

    async def hang(conversation: str) -> Driven | None:
        hangs.set()
        await anyio.sleep_forever()

    hangs = anyio.Event()
    drives = FakeDrives(house.store, act=hang)
    async with house.at_work(drives):
        with anyio.fail_after(SOON_S):
            await hangs.wait()
    assert drives.under_way == set()
    following = FakeDrives(house.store)
    async with house.at_work(following):
        await following.until(lambda: following.seen["local/a"] == 1)


@pytest.mark.shows("workers.one-at-a-time")
@pytest.mark.parametrize("house", [many_machines], indirect=True)
async def test_two_processes_share_the_work_and_no_conversation_is_driven_twice_at_once(house: House) -> None:
    names = [f"local/{n}" for n in range(24)]
    driven: set[str] = set()
    twice: list[str] = []

    async def act(conversation: str) -> Driven | None:
        if conversation in driven:
            twice.append(conversation)
        driven.add(conversation)
        try:
            await anyio.sleep(0.02)
        finally:  # one process ends before the other, which may take over what was cut off there
            driven.discard(conversation)
        return None

    one, other = (FakeDrives(house.store, most=2, act=act) for _ in range(2))
    async with house.at_work(one), house.at_work(other):
        for _ in range(3):
            for name in names:
                await say(house.store, name, f"hi {time.monotonic()}")
        with anyio.fail_after(SOON_S):
            while len(one.seen.keys() | other.seen.keys()) < len(names) or one.under_way or other.under_way:
                with anyio.move_on_after(0.1):
                    await one.told.wait()
    assert twice == []
    assert one.seen
    assert other.seen
