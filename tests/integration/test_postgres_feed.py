"""The feed on Postgres: cursors in the order of commits, whatever is held open; notices are hints that may be lost."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing

import anyio
import anyio.lowlevel
import psycopg
import pytest

from bridge_mcp.core.events import Event
from bridge_mcp.ports import EventPage, Store
from bridge_mcp.stores.postgres import watch
from bridge_mcp.stores.postgres.notices import CHANNEL
from bridge_mcp.stores.postgres.statements import statements
from bridge_mcp.stores.postgres.store import open_store
from bridge_mcp.testing import ManualClock
from bridge_mcp.workers.statements import together
from tests.contract.store_kit import SOON_S, heard
from tests.servers.launch import eventually
from tests.servers.postgres import Database, PostgresServer

LOCAL = frozenset({"local"})


@pytest.fixture
async def stores(store_database: Database) -> AsyncIterator[tuple[Store, Store, Store]]:
    """Three processes' stores on one database."""
    async with AsyncExitStack() as stack:
        opened: list[Store] = []
        for _ in range(3):
            store = await open_store(store_database.url, clock=ManualClock(), delivered_by_commit=LOCAL)
            stack.push_async_callback(store.close)
            opened.append(store)
        yield opened[0], opened[1], opened[2]


def tell(connection: psycopg.Connection, *conversations: str) -> None:
    """Write events as a commit does, in the transaction that is open."""
    values = {
        "count": len(conversations),
        "types": ["pairing.requested"] * len(conversations),
        "conversations": list(conversations),
        "seqs": [None] * len(conversations),
        "ats": [1.0] * len(conversations),
        "bodies": ["{}"] * len(conversations),
    }
    connection.execute(statements()["insert_events"], values)


def told(page: EventPage) -> list[tuple[int, str]]:
    return [(event.cursor, event.conversation) for event in page.events]


@pytest.mark.shows("store.postgres-feed-order")
@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
async def test_no_reader_passes_an_event_whose_transaction_is_still_open(
    store_database: Database, stores: tuple[Store, Store, Store], end: str
) -> None:
    """One holds its transaction open after it has written its events: the next waits, and nobody sees that first."""
    writer, reader, _ = stores
    with closing(psycopg.connect(store_database.url)) as held:
        tell(held, "a/late")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.feed.publish, Event("pairing.requested", "b/early", 2.0))
            await eventually(lambda: waits_for_a_lock(store_database))
            assert told(await reader.feed.read(0, 10)) == []
            assert await reader.feed.head() == 0
            held.execute(end.encode())
    late = [(1, "a/late")] if end == "COMMIT" else []
    assert told(await reader.feed.read(0, 10)) == [*late, (len(late) + 1, "b/early")], "in their order, without a hole"


def waits_for_a_lock(database: Database) -> bool:
    with database.connect() as connection:
        row = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
        return row is not None and row[0] > 0


@pytest.mark.shows("store.postgres-feed-order")
async def test_a_reader_that_follows_gets_every_event_of_many_writers_once(
    stores: tuple[Store, Store, Store], store_database: Database
) -> None:
    """Batches of three processes, and of one that lingers before it commits; a reader takes pages as they come."""
    got: list[int] = []

    async def write(store: Store, name: str) -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(30):
                tasks.start_soon(store.log.record, f"local/{name}.{number % 7}", heard(f"{name}{number}"))

    async def linger() -> None:
        for number in range(5):
            with closing(await anyio.to_thread.run_sync(psycopg.connect, store_database.url)) as held:
                await anyio.to_thread.run_sync(tell, held, f"x/{number}", f"y/{number}")
                await anyio.sleep(0.02)  # open for as long as this: others commit before and after
                await anyio.to_thread.run_sync(held.commit)

    async def follow() -> None:
        cursor = 0
        while len(got) < wanted:
            page = await stores[2].feed.read(cursor, 1000)
            got.extend(event.cursor for event in page.events)
            cursor = page.cursor

    wanted = 3 * 30 + 5 * 2
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            tasks.start_soon(linger)
            for store, name in zip(stores, "abc", strict=True):
                tasks.start_soon(write, store, name)
    assert got == list(range(1, wanted + 1))


async def test_a_commit_of_many_operations_is_one_notice(
    stores: tuple[Store, Store, Store], store_database: Database
) -> None:
    with store_database.connect() as listening:
        listening.execute(f"LISTEN {CHANNEL}".encode())
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(stores[0].log.record, f"local/{number}", heard("hi"))
        heard_of = [notice.payload for notice in listening.notifies(timeout=1.0)]
    assert 1 <= len(heard_of) < 10
    assert all(f'"local/{number}":1' in "".join(heard_of) for number in range(50))


async def test_a_commit_too_large_for_a_notice_says_that_anything_may_have_changed(
    stores: tuple[Store, Store, Store],
) -> None:
    writer, other, _ = stores
    with closing(other.agenda.watch()) as changes:
        while await changes.wait(0.3) != {}:
            pass
        async with anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(writer.log.record, f"local/{'x' * 300}{number}", heard("hi"))
        with anyio.fail_after(SOON_S):
            while (changed := await changes.wait()) is not None and changed:
                pass


@pytest.mark.shows("store.postgres-notices-lost")
async def test_a_listener_that_is_cut_off_is_told_all_the_same(
    stores: tuple[Store, Store, Store], store_database: Database
) -> None:
    writer, other, _ = stores
    with closing(other.agenda.watch()) as changes:
        while await changes.wait(0.3) != {}:
            pass
        with store_database.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND (query LIKE 'LISTEN%' OR query LIKE '%pg_snapshot%')"
            )
        await writer.log.record("local/main", heard("while nobody listened"))
        with anyio.fail_after(SOON_S):
            while not (await other.log.load("local/main")):
                await changes.wait()
            await anyio.lowlevel.checkpoint()
            for number in range(3):  # and goes on to be
                await writer.log.record("local/main", heard(f"again {number}"))
                while len(await other.log.load("local/main")) < number + 2:
                    await changes.wait()


@pytest.mark.shows("store.postgres-notices-lost")
async def test_what_was_committed_without_a_notice_is_found_by_the_slow_look(
    stores: tuple[Store, Store, Store], store_database: Database
) -> None:
    _, other, _ = stores
    with closing(other.agenda.watch()) as changes:
        while await changes.wait(1.5) != {}:
            pass
        with closing(psycopg.connect(store_database.url)) as silent:
            tell(silent, "a/silent")
            silent.commit()
        with anyio.fail_after(SOON_S):
            assert await changes.wait() is None
        assert told(await other.feed.read(0, 10)) == [(1, "a/silent")]


async def test_notices_of_strangers_are_no_harm(stores: tuple[Store, Store, Store], store_database: Database) -> None:
    with closing(stores[0].agenda.watch()) as changes:
        while await changes.wait(0.3) != {}:
            pass
        with store_database.connect() as connection:
            for payload in ("", "x", "12 {", '5 {"a":"b"}', "7 []", "-1 null"):
                connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, payload))
        with anyio.fail_after(SOON_S):
            assert await changes.wait() is None


async def test_a_notice_that_comes_while_the_listener_looks_is_heard(
    store_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of notices that tell of no commit the slow look finds nothing."""
    monkeypatch.setattr(watch, "SNAPSHOT", watch.SNAPSHOT + ", pg_sleep(0.5)")
    store = await open_store(store_database.url, clock=ManualClock())
    heard_at: list[float] = []
    with store.hearing("others", lambda: heard_at.append(time.monotonic())), store_database.connect() as connection:
        for _ in range(8):
            await anyio.sleep(0.3)
            sent = time.monotonic()
            connection.execute("SELECT pg_notify('others', '')")
            with anyio.fail_after(1.5):
                while not heard_at or heard_at[-1] < sent:  # noqa: ASYNC110 - it sets no event
                    await anyio.sleep(0.01)
    await store.close()


async def test_whoever_watches_nothing_listens_to_nothing(
    stores: tuple[Store, Store, Store], store_database: Database
) -> None:
    """Notices that nobody reads would fill the server's queue; whoever watches again hears them again."""
    writer, other, _ = stores
    for number in range(2):
        with closing(other.agenda.watch()) as changes, anyio.fail_after(SOON_S):
            while await changes.wait(0.3) != {}:
                pass
            await writer.log.record("local/main", heard(f"hi {number}"))
            while (changed := await changes.wait()) is not None and "local/main" not in changed:
                pass
        with anyio.fail_after(SOON_S), store_database.connect() as connection:
            silent = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'UNLISTEN *'"
            while connection.execute(silent).fetchone() != (1,):  # noqa: ASYNC110 - nor does Postgres
                await anyio.sleep(0.01)


async def test_that_a_worker_lives_is_no_news(own_postgres: PostgresServer) -> None:
    """It says so every second; whoever watches would have to look at everything as often."""
    database = own_postgres.served.create()
    store = await open_store(database.url, clock=ManualClock())
    lives = together(("worker_lives",))
    values = {"id": "w", "body": "{}", "silent_s": 5.0, "gone_s": 60.0}
    with database.connect() as worker, closing(store.agenda.watch()) as changes, anyio.fail_after(SOON_S):
        while await changes.wait(1.5) != {}:  # it begins to watch
            pass
        while True:
            worker.execute(lives, values)
            if await changes.wait(1.5) == {}:
                break
    await store.close()
