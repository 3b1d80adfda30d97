"""Workers on one Postgres: leases and their fences, jobs that are left behind, and who may work at all."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from subprocess import PIPE
from typing import Any
from urllib.parse import quote

import anyio
import psycopg
import pytest
from msgspec.structs import replace
from procrastinate import PsycopgConnector

from bridge_mcp.core.entries import Heard, Started
from bridge_mcp.core.errors import StoreError
from bridge_mcp.face_assembly import WorkersSeen
from bridge_mcp.ports import ChannelOffset, Driven, WorkerInfo
from bridge_mcp.stores.postgres.connecting import Database as Place
from bridge_mcp.stores.postgres.job_schema import bring_up
from bridge_mcp.stores.postgres.migrate import newest
from bridge_mcp.stores.postgres.session import Session
from bridge_mcp.stores.postgres.store import PostgresStore, open_store
from bridge_mcp.workers import clock as clocks
from bridge_mcp.workers import jobs
from bridge_mcp.workers import session as sessions
from bridge_mcp.workers.clock import DatabaseClock
from bridge_mcp.workers.leases import PostgresLeases
from bridge_mcp.workers.registry import Registry, refusal
from bridge_mcp.workers.session import DirectSession
from bridge_mcp.workers.work import MAX_DEATHS
from tests.contract.store_kit import ANN, SOON_S, say
from tests.contract.test_dispatchers import FakeDrives, House, many_machines
from tests.integration.test_postgres_faults import Cut
from tests.integration.test_postgres_feed import waits_for_a_lock
from tests.servers.postgres import Database, PostgresServer, Served

MOVED_S = 2.0
"""Within this a lease has another holder."""

END_LEASES = """
SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
"""Ends the sessions that hold one here: other tests' databases are on the same server."""


@pytest.fixture
async def store(database: Database) -> AsyncGenerator[PostgresStore]:
    opened = await open_store(database.url, clock=DatabaseClock(), delivered_by_commit=frozenset({"local"}))
    yield opened
    await opened.close()


@pytest.fixture
async def house(request: pytest.FixtureRequest) -> AsyncGenerator[House]:
    async with many_machines(request) as made:
        yield made


@pytest.fixture
def cut(postgres: Served) -> Iterator[Cut]:
    with closing(Cut(postgres)) as made:
        yield made


async def until(holds: Callable[[], bool], within_s: float = SOON_S) -> float:
    """Wait until something holds; how many seconds that took."""
    began = time.monotonic()
    with anyio.fail_after(within_s):
        while not holds():  # noqa: ASYNC110 - what other processes do has no event here
            await anyio.sleep(0.01)
    return time.monotonic() - began


# -- leases ----------------------------------------------------------------------------------------------------


class Holder:
    """One that wants a lease, in this process."""

    def __init__(self, database: Database, name: str, url: str = "") -> None:
        self.session = DirectSession(url or database.url, DatabaseClock())
        self.leases = PostgresLeases(self.session, name)
        self.held = False
        self.times = 0

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.session.run)
            tasks.start_soon(self.leases.hold, "channel:family", self.hold)

    async def hold(self) -> None:
        self.held, self.times = True, self.times + 1
        try:
            await anyio.sleep_forever()
        finally:
            self.held = False


@pytest.mark.usefixtures("store")
async def test_one_holds_a_lease_and_the_next_has_it_once_the_connection_is_gone(database: Database) -> None:
    one, other = Holder(database, "one"), Holder(database, "other")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one.run)
        await until(lambda: one.held)
        tasks.start_soon(other.run)
        await anyio.sleep(1.0)
        assert not other.held
        assert one.leases.fences == {"channel:family": 1}
        with database.connect() as connection:
            connection.execute(END_LEASES)
        fences = (one.leases.fences, other.leases.fences)
        took = await until(lambda: any(2 in each.values() for each in fences))  # it says that it changed hands
        assert took < MOVED_S + 1.0, "two seconds, and one for a busy machine"
        await until(lambda: one.held + other.held == 1)
        tasks.cancel_scope.cancel()


@pytest.mark.usefixtures("store")
async def test_who_needs_a_lease_no_longer_gives_it_back(database: Database) -> None:
    one, other = Holder(database, "one"), Holder(database, "other")
    async with anyio.create_task_group() as tasks:
        async with anyio.create_task_group() as first:
            first.start_soon(one.session.run)
            first.start_soon(one.leases.hold, "channel:other", one.hold)
            async with anyio.create_task_group() as briefly:
                briefly.start_soon(one.leases.hold, "channel:family", one.hold)
                await until(lambda: set(one.leases.fences) == {"channel:family", "channel:other"})
                tasks.start_soon(other.run)
                briefly.cancel_scope.cancel()
            assert await until(lambda: other.held) < MOVED_S + 1.0
            assert set(one.leases.fences) == {"channel:other"}
            first.cancel_scope.cancel()
        tasks.cancel_scope.cancel()


async def test_a_lease_that_is_lost_at_once_is_not_taken_for_held(database: Database) -> None:
    """It is lost again before whoever waits for it has a turn."""
    holder = Holder(database, "one")

    def granted() -> None:
        assert holder.leases.asks() == {"take_leases": {"wanted": ["channel:family"], "holder": "one"}}
        holder.leases.told({"take_leases": [{"name": "channel:family", "fence": 1}]})

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(holder.leases.hold, "channel:family", holder.hold)
        await anyio.wait_all_tasks_blocked()
        granted()
        holder.leases.lost()
        await anyio.wait_all_tasks_blocked()
        assert not holder.held
        granted()
        await until(lambda: holder.held)
        tasks.cancel_scope.cancel()


async def test_a_bridge_in_a_schema_of_its_own_has_its_leases_there(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("CREATE SCHEMA two")
    sign = "&" if "?" in database.url else "?"
    url = f"{database.url}{sign}options={quote('-c search_path=two')}"
    store = await open_store(url, clock=DatabaseClock())
    holder = Holder(database, "one", url)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(holder.run)
        await until(lambda: holder.held)
        with database.connect() as connection:
            assert connection.execute("SELECT name, fence FROM two.leases").fetchall() == [("channel:family", 1)]
        tasks.cancel_scope.cancel()
    await store.close()


@pytest.mark.shows("workers.leases")
@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_lease_moves_when_its_holder_is_killed_or_stands_still(database: Database, how: signal.Signals) -> None:
    """A process that is stopped keeps its connection open: the server ends it, for it says nothing."""
    command = [sys.executable, "-m", "tests.integration.lease_child", database.tcp_url]
    child = await asyncio.create_subprocess_exec(*command, stdout=PIPE, cwd=Path(__file__).parents[2])
    assert child.stdout is not None
    other = Holder(database, "other")
    try:
        assert await child.stdout.readline() == b"held\n"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other.run)
            await anyio.sleep(0.5)
            assert not other.held
            child.send_signal(how)
            took = await until(lambda: other.held)
            if how == signal.SIGSTOP:
                child.send_signal(signal.SIGCONT)
                assert await child.stdout.readline() == b"lost\n", "woken up, it knows that it holds nothing"
                assert other.held
            assert took < MOVED_S + 1.0, "two seconds, and one for a busy machine"
            tasks.cancel_scope.cancel()
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def blocked_until(holds: Callable[[], bool], within_s: float = MOVED_S + 1.0) -> None:
    """Keep this process's event loop from all else until something holds."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def holders(database: Database) -> dict[str, int]:
    """The leases that somebody holds, and how often each has changed hands."""
    with database.connect() as connection:
        rows = connection.execute(
            "SELECT name, fence FROM leases, pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND (classid::bigint << 32) | objid::bigint = bridge_lease_key(name)"
        ).fetchall()
    return dict(rows)


@pytest.mark.usefixtures("store")
async def test_a_busy_event_loop_neither_loses_a_lease_nor_keeps_a_process_from_taking_one(database: Database) -> None:
    one, other = Holder(database, "one"), Holder(database, "other")
    async with anyio.create_task_group() as tasks:
        async with anyio.create_task_group() as first:
            first.start_soon(one.run)
            await until(lambda: one.held)
            began = time.monotonic()
            blocked_until(lambda: time.monotonic() - began > one.session.silent_s)
            assert holders(database) == one.leases.fences == {"channel:family": 1}
            tasks.start_soon(other.run)
            await until(lambda: other.session.is_sure)
            with database.connect() as connection:
                connection.execute(END_LEASES)
            blocked_until(lambda: holders(database).get("channel:family", 1) > 1)
            first.cancel_scope.cancel()
        tasks.cancel_scope.cancel()


@pytest.mark.usefixtures("store")
async def test_a_process_whose_event_loop_hangs_holds_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "HUNG_S", 0.5)
    one = Holder(database, "one")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one.run)
        await until(lambda: one.held)
        blocked_until(lambda: not holders(database))
        await until(lambda: one.times == 2)
        assert holders(database) == one.leases.fences == {"channel:family": 2}
        tasks.cancel_scope.cancel()


@pytest.mark.shows("workers.fence")
async def test_a_holder_that_does_not_know_that_it_is_none_any_more_moves_no_offset(
    store: PostgresStore, database: Database
) -> None:
    """It was stopped in the middle of a poll: what it goes on to store is stored by whoever polls now, and once."""
    with database.connect() as connection:
        connection.execute("INSERT INTO leases VALUES ('channel:family', 2, 'another one', 0)")
    store.fence_by({"channel:family": 1})
    with pytest.raises(StoreError, match="Another process receives from family now"):
        await store.log.record("family/1", Heard("hi", ANN, "m1"), offset=ChannelOffset("family", 7))
    with pytest.raises(StoreError, match="Another process"):
        await store.channel_state.set_offset(ChannelOffset("family", 7))
    assert await store.channel_state.offset("family") is None
    assert await store.log.load("family/1") == ()
    store.fence_by({"channel:family": 2})
    await store.log.record("family/1", Heard("hi", ANN, "m1"), offset=ChannelOffset("family", 7))
    assert await store.channel_state.offset("family") == 7


@pytest.mark.shows("workers.leases")
async def test_a_lease_moves_though_its_holder_was_stopped_in_the_middle_of_what_it_stores(
    house: House, database: Database
) -> None:
    """What it sent has no end yet, so that for the server it is no idle transaction; it is ended by the workers."""
    with database.connect() as connection:
        connection.execute("INSERT INTO leases VALUES ('channel:family', 1, 'stopped', 0)")
    stopped = Session(Place(database.url), newest(), reading=False)
    stopped.fences = {"channel:family": 1}
    stopped.begin()
    stopped.hold_channel("family")
    other = Holder(database, "other")
    async with house.at_work(FakeDrives(house.store)), anyio.create_task_group() as tasks:
        tasks.start_soon(other.run)
        assert await until(lambda: other.held) < 2 * MOVED_S + 1.0
        tasks.cancel_scope.cancel()
    with pytest.raises(StoreError):
        stopped.commit({})
    stopped.close()


async def test_where_no_worker_is_a_face_ends_what_was_stopped_in_the_middle_of_what_it_stores(
    store: PostgresStore, database: Database
) -> None:
    await say(store, "local/a", "hi")
    stopped = Session(Place(database.url), newest(), reading=False)
    stopped.begin()
    stopped.rows("conversation_rows_to_write", names=["local/a"])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(WorkersSeen(store, DatabaseClock()).run)
        with anyio.fail_after(SOON_S):
            await say(store, "local/a", "and?")
        tasks.cancel_scope.cancel()
    with pytest.raises(StoreError):
        stopped.commit({})
    stopped.close()


@pytest.mark.usefixtures("store")
async def test_a_lease_that_has_to_be_waited_for_costs_none_that_is_held(database: Database) -> None:
    """Its row is locked by a transaction of whoever held it, as of a process that was stopped in the middle of one."""
    one = Holder(database, "one")
    released = anyio.Event()
    async with anyio.create_task_group() as tasks:
        with database.connect() as connection:
            connection.execute("INSERT INTO leases VALUES ('channel:other', 1, 'stopped', 0)")
            connection.execute("BEGIN")
            connection.execute("SELECT FROM leases WHERE name = 'channel:other' FOR SHARE")
            tasks.start_soon(one.run)
            await until(lambda: one.held)
            tasks.start_soon(one.leases.hold, "channel:other", released.wait)
            await anyio.sleep(sessions.LATE_S + 2 * sessions.TICK_S)
            assert one.leases.fences == {"channel:family": 1}
        await until(lambda: one.leases.fences == {"channel:family": 1, "channel:other": 2})
        assert one.times == 1
        tasks.cancel_scope.cancel()


# -- jobs ------------------------------------------------------------------------------------------------------


def count_of_jobs(database: Database) -> int:
    with database.connect() as connection:
        row = connection.execute("SELECT count(*) FROM procrastinate_jobs").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.shows("workers.takeover")
async def test_a_job_of_a_worker_that_is_gone_is_taken_over_though_it_held_the_lock(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "STALE_S", 1.0)
    await say(house.store, "local/a", "hi")
    with database.connect() as connection:
        connection.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 minute')")
        connection.execute("SELECT procrastinate_fetch_job_v2(NULL, (SELECT id FROM procrastinate_workers))")
    await say(house.store, "local/a", "and more")
    drives = FakeDrives(house.store)
    async with house.at_work(drives):
        await drives.until(lambda: drives.seen["local/a"] >= 1)
        await until(lambda: count_of_jobs(database) == 0)


@pytest.mark.shows("workers.takeover")
@pytest.mark.parametrize("goes_on", [False, True])
async def test_a_turn_that_ends_one_worker_after_the_other_is_given_up(
    house: House, database: Database, goes_on: bool
) -> None:
    """But not one that is at work whenever its worker dies of something else: its log goes on."""
    await say(house.store, "local/a", "hi")
    with database.connect() as connection:
        for number in range(MAX_DEATHS):
            made = "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 minute')"
            connection.execute(made)
            connection.execute("SELECT FROM bridge_fetch('{advance}', (SELECT max(id) FROM procrastinate_workers), 1)")
            await say(house.store, "local/a", f"are you there? {number}")
            if goes_on:
                known = await house.store.history.conversation("local/a")
                assert known is not None
                await house.store.log.intend("local/a", known.head, Started("model", turn=0))
            connection.execute("SELECT FROM bridge_sweep(5, false, 10)")
    drives = FakeDrives(house.store)
    async with house.at_work(drives):
        await drives.until(lambda: drives.seen["local/a"] >= 1)
        await until(lambda: count_of_jobs(database) == 0)
    assert drives.given_up == ([] if goes_on else ["local/a"])


@pytest.mark.parametrize("rests", [True, False])
async def test_a_worker_that_was_given_up_ends_no_job_of_another_one(
    house: House, database: Database, rests: bool
) -> None:
    """Nor does it drive the conversation any further: the other one does."""
    with database.connect() as connection:
        made = "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() + interval '1 hour') RETURNING id"
        row = connection.execute(made).fetchone()
    assert row is not None
    other = row[0]

    async def act(conversation: str) -> Driven | None:
        with database.connect() as connection:
            connection.execute("UPDATE procrastinate_jobs SET worker_id = %s", (other,))
        return None if rests else Driven()

    drives = FakeDrives(house.store, act=act)
    await say(house.store, "local/a", "hi")
    async with house.at_work(drives):
        await drives.until(lambda: drives.seen["local/a"] == 1)
        await anyio.sleep(0.3)
        assert drives.seen["local/a"] == 1
    with database.connect() as connection:
        assert connection.execute("SELECT worker_id, status FROM procrastinate_jobs").fetchall() == [(other, "doing")]


def postgres_store(house: House) -> PostgresStore:
    assert isinstance(house.store, PostgresStore)
    return house.store


@asynccontextmanager
async def at_work(
    house: House, database: Database, drives: FakeDrives, shared: dict[str, bool]
) -> AsyncGenerator[None]:
    """A worker that knows of these tool servers, each with whether it runs it for all."""
    session = DirectSession(database.url, DatabaseClock())
    dispatcher = jobs.JobDispatcher(database.url, session, postgres_store(house), lambda: True, lambda: shared)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.run)
        tasks.start_soon(dispatcher.run, drives)
        yield
        tasks.cancel_scope.cancel()


async def test_what_needs_a_tool_server_of_another_worker_is_driven_there(house: House, database: Database) -> None:
    """Also where no worker runs it as yet."""

    async def act(conversation: str) -> Driven | None:
        return Driven(0.0, server="notes")

    other, holder, runs = FakeDrives(house.store, act=act), FakeDrives(house.store), {"notes": False}
    await say(house.store, "local/a", "hi")
    async with at_work(house, database, other, {"notes": False}):
        await other.until(lambda: other.seen["local/a"] == 1)
        async with at_work(house, database, holder, runs):
            await say(house.store, "local/b", "hi")
            await until(lambda: other.seen["local/b"] + holder.seen["local/b"] == 1)
            assert other.seen["local/a"] == 1
            assert holder.seen["local/a"] == 0
            runs["notes"] = True
            await holder.until(lambda: holder.seen["local/a"] == holder.seen["local/b"] == 1)
            await until(lambda: count_of_jobs(database) == 0)


async def test_what_waits_for_a_tool_server_that_is_none_any_more_is_driven_by_anybody(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "THOROUGH", 1)
    await say(house.store, "local/a", "hi")
    with database.connect() as connection:
        connection.execute("UPDATE procrastinate_jobs SET queue_name = 'server:notes'")
    drives = FakeDrives(house.store)
    async with at_work(house, database, drives, {"files": False}):
        await drives.until(lambda: drives.seen["local/a"] == 1)


async def test_a_fetch_whose_answer_nobody_waits_for_any_more_keeps_no_conversation(
    house: House, database: Database
) -> None:
    """As one that lay on the way: the server carries it out long after its worker has asked what became of it."""
    drives = FakeDrives(house.store)
    async with house.at_work(drives):
        await say(house.store, "local/a", "hi")
        await drives.until(lambda: drives.seen["local/a"] == 1)
        await until(lambda: count_of_jobs(database) == 0)
        with database.connect() as late, late.transaction():
            late.execute("UPDATE conversations SET wake_at = 0 WHERE name = 'local/a'")
            late.execute("SELECT FROM bridge_fetch('{advance}', (SELECT max(id) FROM procrastinate_workers), 1)")
        await drives.until(lambda: drives.seen["local/a"] == 2)
        await until(lambda: count_of_jobs(database) == 0)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_url_that_names_an_encoding_holds_up_no_job(house: House, database: Database, encoding: str) -> None:
    """Names of conversations may have any characters."""
    url = f"{database.url}&client_encoding={encoding}"
    session, drives = DirectSession(url, DatabaseClock()), FakeDrives(house.store)
    dispatcher = jobs.JobDispatcher(url, session, postgres_store(house), lambda: True)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.run)
        tasks.start_soon(dispatcher.run, drives)
        await say(house.store, "local/\u65e5\u672c", "hi")
        await drives.until(lambda: drives.seen["local/\u65e5\u672c"] == 1)
        await until(lambda: count_of_jobs(database) == 0)
        tasks.cancel_scope.cancel()


@pytest.mark.shows("workers.no-residue")
async def test_finished_jobs_leave_nothing_behind(house: House, database: Database) -> None:
    drives = FakeDrives(house.store)
    async with house.at_work(drives):
        for number in range(20):
            await say(house.store, f"local/{number}", "hi")
        await drives.until(lambda: len(drives.seen) == 20)
        await until(lambda: count_of_jobs(database) == 0)
    with database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM procrastinate_events").fetchone() == (0,)


async def test_what_has_lost_its_job_is_found_again(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losing a job delays, and loses nothing: the conversations' own rows say what is due."""
    monkeypatch.setattr(jobs, "THOROUGH", 1)
    await say(house.store, "local/a", "hi")
    with database.connect() as connection:
        connection.execute("DELETE FROM procrastinate_jobs")
    drives = FakeDrives(house.store)
    async with house.at_work(drives):
        await drives.until(lambda: drives.seen["local/a"] == 1)


async def test_a_sweep_takes_conversations_in_the_order_in_which_appends_take_them(
    house: House, database: Database
) -> None:
    """Else the two wait for each other: messages, and timers that are due."""
    for name in ("local/b", "local/a"):
        await say(house.store, name, "hi")

    def sweep() -> None:
        with database.connect() as sweeping:
            sweeping.execute("SELECT FROM bridge_sweep(5, false, 10)")

    with database.connect() as one, database.connect() as appending:
        one.execute("DELETE FROM procrastinate_jobs")
        one.execute("UPDATE conversations SET wake_at = 1")
        appending.execute("BEGIN")
        appending.execute("SELECT FROM conversations WHERE name = 'local/b' FOR UPDATE")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, sweep)
            await until(lambda: waits_for_a_lock(database))
            appending.execute("SET LOCAL lock_timeout = '500ms'")
            appending.execute("SELECT FROM conversations WHERE name = 'local/a' FOR UPDATE")
            appending.execute("COMMIT")
    assert count_of_jobs(database) == 2


async def test_a_worker_without_a_sign_of_life_gives_up_what_it_drives(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others are about to take it over; so it is cut off here before, and handed back."""
    monkeypatch.setattr(jobs, "LOST_S", 0.5)
    await say(house.store, "local/a", "hi")
    cut = anyio.Event()

    async def hang(conversation: str) -> Driven | None:
        try:
            await anyio.sleep_forever()
        finally:
            cut.set()

    session = DirectSession(database.url, DatabaseClock())  # it never runs: nothing gets through
    dispatcher = jobs.JobDispatcher(database.url, session, postgres_store(house), lambda: True)
    async with anyio.create_task_group() as tasks:
        drives = FakeDrives(house.store, most=1, act=hang)
        tasks.start_soon(dispatcher.run, drives)
        with anyio.fail_after(SOON_S):
            await cut.wait()
        await anyio.sleep(2 * jobs.SWEEP_S)  # it looks again, and begins nothing
        assert drives.seen["local/a"] == 1
        tasks.cancel_scope.cancel()


async def test_a_stop_waits_for_no_turn_that_cannot_end(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing gets through to Postgres: nobody could be told of its end."""
    monkeypatch.setattr(jobs, "LOST_S", 2.0)
    await say(house.store, "local/a", "hi")

    async def hang(conversation: str) -> Driven | None:
        with anyio.CancelScope(shield=True):
            await over.wait()

    over = anyio.Event()
    session = DirectSession(database.url, DatabaseClock())  # it never runs
    dispatcher = jobs.JobDispatcher(database.url, session, postgres_store(house), lambda: True)
    async with anyio.create_task_group() as tasks:
        drives = FakeDrives(house.store, act=hang)
        tasks.start_soon(dispatcher.run, drives)
        await until(lambda: bool(drives.under_way))
        with anyio.fail_after(SOON_S):
            assert await dispatcher.finish(600) == ("local/a",)
        over.set()
        tasks.cancel_scope.cancel()


async def test_a_dispatcher_ends_though_postgres_stands_still(
    house: House, database: Database, cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "ANSWER_S", 0.3)
    monkeypatch.setattr(jobs, "GOODBYE_S", 0.3)
    url = cut.url(database)
    session = DirectSession(url, DatabaseClock())
    dispatcher = jobs.JobDispatcher(url, session, postgres_store(house), lambda: True)
    drives = FakeDrives(house.store)
    with anyio.fail_after(SOON_S * 2):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run)
            tasks.start_soon(dispatcher.run, drives)
            await say(house.store, "local/a", "hi")
            await drives.until(lambda: drives.seen["local/a"] == 1)
            cut.frozen = True
            await anyio.sleep(2.0)  # it has found out, and tries to connect anew
            tasks.cancel_scope.cancel()
        await until(lambda: not [each for each in asyncio.all_tasks() if each.get_name().startswith("pool-")])


@pytest.mark.shows("workers.graceful-stop")
async def test_a_stop_waits_for_what_is_under_way_and_hands_over_the_rest(house: House, database: Database) -> None:
    async def act(conversation: str) -> Driven | None:
        await anyio.sleep(0.3 if conversation == "local/short" else 60)
        return None

    drives = FakeDrives(house.store, act=act)
    async with house.at_work(drives) as dispatcher:
        assert isinstance(dispatcher, jobs.JobDispatcher)
        await say(house.store, "local/long", "hi")
        await say(house.store, "local/short", "hi")
        await until(lambda: len(drives.under_way) == 2)
        left = await dispatcher.finish(1.5)
        assert left == ("local/long",)
        await say(house.store, "local/late", "hi")  # begun by nobody who is about to end
    assert "local/late" not in drives.seen
    following = FakeDrives(house.store)
    async with house.at_work(following):
        await following.until(lambda: following.seen.keys() >= {"local/long", "local/late"})


async def test_a_stop_does_not_wait_for_what_only_pauses(house: House) -> None:
    async def fails(conversation: str) -> Driven:
        return Driven(0.0, pause_s=3600.0)

    drives = FakeDrives(house.store, act=fails)
    async with house.at_work(drives) as dispatcher:
        assert isinstance(dispatcher, jobs.JobDispatcher)
        await say(house.store, "local/a", "hi")
        await drives.until(lambda: drives.seen["local/a"] == 1)
        with anyio.fail_after(SOON_S):
            assert await dispatcher.finish(3600.0) == ()
    following = FakeDrives(house.store)
    async with house.at_work(following):
        await following.until(lambda: following.seen["local/a"] == 1)


async def test_a_restart_of_postgres_in_the_middle_is_gone_on_after(own_postgres: PostgresServer) -> None:
    database, clock = own_postgres.served.create(), DatabaseClock()
    store = await open_store(database.url, clock=clock, delivered_by_commit=frozenset({"local"}))
    session = DirectSession(database.url, clock)
    dispatcher = jobs.JobDispatcher(database.url, session, store, lambda: True)
    drives = FakeDrives(store)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.run)
        tasks.start_soon(dispatcher.run, drives)
        await say(store, "local/a", "hi")
        await drives.until(lambda: drives.seen["local/a"] == 1)
        await anyio.to_thread.run_sync(own_postgres.restart)
        await say(store, "local/a", "again")
        await say(store, "local/b", "hi")
        await drives.until(lambda: drives.seen["local/a"] >= 2 and drives.seen["local/b"] >= 1)
        tasks.cancel_scope.cancel()
    await store.close()


@pytest.mark.usefixtures("store")
async def test_procrastinates_files_are_each_applied_once_and_which_ran_is_kept(database: Database) -> None:
    with psycopg.connect(database.url) as connection:
        ran = connection.execute("SELECT name, at FROM procrastinate_migrations ORDER BY name").fetchall()
        bring_up(connection)
        assert connection.execute("SELECT name, at FROM procrastinate_migrations ORDER BY name").fetchall() == ran
        assert len(ran) > 30
        # As after an update of Procrastinate: what is new is applied, and nothing else.
        connection.execute("DELETE FROM procrastinate_migrations WHERE name LIKE '03.03.00_01%'")
        connection.execute("DROP FUNCTION procrastinate_fetch_job_v2")
        bring_up(connection)
        assert connection.execute("SELECT to_regproc('procrastinate_fetch_job_v2') IS NOT NULL").fetchone() == (True,)


# -- the clock -------------------------------------------------------------------------------------------------


@pytest.mark.shows("workers.clock")
@pytest.mark.usefixtures("store")
async def test_a_machine_that_is_ten_minutes_off_goes_by_the_databases_clock(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr(clocks.time, "time", lambda: real() + 600)
    clock = DatabaseClock()
    monkeypatch.undo()
    assert clock.now() - real() > 590
    session = DirectSession(database.url, clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.run)
        await until(lambda: abs(clock.now() - real()) < 1.0)
        tasks.cancel_scope.cancel()


# -- who may work ----------------------------------------------------------------------------------------------

OLD = WorkerInfo(id="old", host="a", pid=1, version="1.2.3", config="c1", concurrency=8)


@pytest.mark.parametrize(
    ("own", "others", "told"),
    [
        (OLD, (), ""),
        (OLD, (replace(OLD, id="b"),), ""),
        (OLD, (replace(OLD, id="b", version="1.10.0"),), "runs bridge_mcp 1.10.0, and this one 1.2.3"),
        (replace(OLD, version="1.10.0"), (replace(OLD, id="b"),), ""),
        (replace(OLD, id="new", config="c2"), (OLD,), "runs the configuration c1, and this one c2"),
        (replace(OLD, version="2.0", config="c2"), (replace(OLD, id="b", version="1.9", config="c1"),), ""),
    ],
)
def test_who_drives_beside_whom(own: WorkerInfo, others: tuple[WorkerInfo, ...], told: str) -> None:
    why = refusal(own, (*others, own))
    assert told in why
    assert bool(why) == bool(told)


@asynccontextmanager
async def registered(database: Database, worker: WorkerInfo) -> AsyncGenerator[Registry]:
    session = DirectSession(database.url, DatabaseClock())
    registry = Registry(session, lambda: worker)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.run)
        yield registry
        await registry.leave()
        tasks.cancel_scope.cancel()


@pytest.mark.shows("workers.rolling-upgrade")
async def test_a_rolling_upgrade(database: Database, store: PostgresStore) -> None:
    """The newer version takes over as soon as it is there; a newer configuration, once the last of the old one ends."""
    new = replace(OLD, id="new", version="1.3.0", config="c2")
    async with registered(database, OLD) as old:
        await until(old.may_drive)
        async with registered(database, new) as newer:
            await until(newer.may_drive)
            await until(lambda: not old.may_drive())
            assert "Update it, or stop it" in old.refuses
            async with registered(database, replace(new, id="other", config="c3")) as other:
                await until(lambda: "configuration" in other.refuses)
                assert newer.may_drive()
                told = {each.id: each.refuses for each in await store.workers.listed()}
                assert told["new"] == ""
                await until(lambda: len(other.workers) == 3)
        await until(old.may_drive)
    assert await store.workers.listed() == ()


async def test_a_worker_of_another_version_may_say_other_things(database: Database, store: PostgresStore) -> None:
    """What an older one cannot read of a newer one keeps it from driving, and from nothing else."""
    other = '{"id": "new", "version": "9.0.0", "pid": "machine 7", "channels": []}'
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO workers VALUES ('new', bridge_now(), bridge_now() + 60, %s),"
            " ('odd', 0, bridge_now() + 60, '7')",
            (other,),
        )
    async with registered(database, OLD) as old:
        await until(lambda: "runs bridge_mcp 9.0.0" in old.refuses)
    assert {each.version for each in await store.workers.listed()} == {"9.0.0", ""}


async def test_jobs_of_many_conversations_are_made_told_of_fetched_and_ended_together(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[str] = Counter()
    plain: Any = PsycopgConnector.execute_query_all_async

    async def counting(self: PsycopgConnector, query: Any, **values: Any) -> Any:
        asked.update(name for name in ("bridge_fetch", "bridge_finish") if name in query)
        return await plain(self, query, **values)

    monkeypatch.setattr(PsycopgConnector, "execute_query_all_async", counting)
    with database.connect() as listening:
        listening.execute("LISTEN procrastinate_any_queue_v1")
        async with anyio.create_task_group() as tasks:
            for number in range(24):
                tasks.start_soon(say, house.store, f"local/{number}", "hi")
        told = list(listening.notifies(timeout=0.2))
    assert 1 <= len(told) < 6
    assert count_of_jobs(database) == 24
    go_on = anyio.Event()

    async def act(conversation: str) -> None:
        await go_on.wait()

    drives = FakeDrives(house.store, most=24, act=act)
    async with house.at_work(drives):
        await until(lambda: len(drives.under_way) == 24)
        go_on.set()
        await until(lambda: count_of_jobs(database) == 0)
    assert asked["bridge_fetch"] < 12
    assert asked["bridge_finish"] < 24
