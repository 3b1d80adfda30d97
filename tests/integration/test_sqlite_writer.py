"""The one writer: commits together what waits, and keeps apart what fails."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import anyio
import anyio.lowlevel
import pytest

from bridge_mcp.core.errors import BadInput, Conflict, StoreError
from bridge_mcp.stores.sql.session import Session
from bridge_mcp.stores.sql.writer import Changed, Writer
from bridge_mcp.stores.sqlite import SqliteStore
from bridge_mcp.stores.sqlite.fts import STEP
from bridge_mcp.stores.sqlite.migrate import migrate
from bridge_mcp.stores.sqlite.session import connect, statements
from tests.contract.store_kit import SOON_S, StoreClock, heard

Work: TypeAlias = Callable[[Session], object]


class Desk:
    """A writer, what it ran, and what it said."""

    def __init__(self, path: Path) -> None:
        migrate(path)
        self.path = path
        self.session = connect(path, reading=False, wait_s=0.0)
        self.ran: list[str] = []
        self.session.connection.set_trace_callback(self.ran.append)
        self.noticed: list[Changed] = []
        self.writer = Writer(self.session, self.noticed.append)

    def read(self) -> dict[str, str]:
        """What is in one table, as another process reads it."""
        with closing(sqlite3.connect(self.path)) as connection:
            return dict(connection.execute("SELECT name, body FROM engine_status ORDER BY name"))

    async def outcomes(self, *works: Work) -> list[object]:
        """What each of several operations gave, handed over at once."""
        found: list[object] = [None] * len(works)

        async def one(n: int) -> None:
            try:
                found[n] = await self.writer.execute(works[n], {f"c/{n}": 0})
            except Exception as exc:
                found[n] = exc

        with anyio.fail_after(SOON_S):
            async with anyio.create_task_group() as tasks:
                for n in range(len(works)):
                    tasks.start_soon(one, n)
        return found


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path / "bridge.db")
    yield desk
    await desk.writer.close()


def put(name: object, body: object = "x", then: Exception | None = None) -> Work:
    """An operation that writes, and then fails if it shall."""

    def work(session: Session) -> object:
        session.run("status_put", name=name, body=body)
        if then is not None:
            raise then
        return name

    return work


def fail(exc: Exception) -> Work:
    def work(session: Session) -> None:
        raise exc

    return work


async def test_what_waits_is_committed_together(desk: Desk) -> None:
    await desk.outcomes(put("warm"))
    desk.ran.clear()
    assert await desk.outcomes(*(put(f"n{n:02}") for n in range(50))) == [f"n{n:02}" for n in range(50)]
    commits = desk.ran.count("COMMIT")
    assert commits < 10
    assert len(desk.read()) == 51


@pytest.mark.parametrize(
    "broken",
    [
        put("b", then=ValueError("a bug")),
        put("b", then=Conflict("after it had written")),
        put("b", then=BadInput("after it had written")),
        fail(ValueError("a bug")),
        fail(sqlite3.OperationalError("disk I/O error")),
        put("b", body=None),
        put(2**80),
    ],
    ids=["bug", "conflict", "bad input", "bug before", "SQLite", "constraint", "number"],
)
async def test_an_operation_that_breaks_the_transaction_fails_alone(desk: Desk, broken: Work) -> None:
    first, failed, last = await desk.outcomes(put("a"), broken, put("c"))
    assert (first, last) == ("a", "c")
    assert isinstance(failed, Exception)
    assert desk.read() == {"a": "x", "c": "x"}
    assert (await desk.outcomes(put("d")))[0] == "d"


async def test_a_domain_error_that_wrote_nothing_breaks_nothing(desk: Desk) -> None:
    await desk.outcomes(put("warm"))
    desk.ran.clear()
    first, failed, last = await desk.outcomes(put("a"), fail(Conflict("somebody was first")), put("c"))
    assert (first, last) == ("a", "c")
    assert isinstance(failed, Conflict)
    assert "ROLLBACK" not in desk.ran


async def test_errors_of_the_database_are_said_in_the_bridges_words(desk: Desk) -> None:
    (failed,) = await desk.outcomes(put("b", body=None))
    assert isinstance(failed, StoreError)
    assert str(desk.path) in str(failed)


@pytest.mark.shows("store.durable")
async def test_a_commit_is_on_disk_when_it_returns(desk: Desk) -> None:
    """What SQLite promises with these two settings; cutting the power is beyond a test."""
    (mode,) = desk.session.connection.execute("PRAGMA journal_mode").fetchone()
    (level,) = desk.session.connection.execute("PRAGMA synchronous").fetchone()
    assert (mode, level) == ("wal", 2)


async def test_only_what_was_committed_is_noticed(desk: Desk) -> None:
    await desk.outcomes(put("a"), put("b", then=ValueError("a bug")), fail(Conflict("first")))
    assert desk.noticed == [{"c/0": 0}]


async def test_it_waits_for_its_turn_while_another_process_writes(desk: Desk) -> None:
    with closing(sqlite3.connect(desk.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO engine_status VALUES ('other', 'x')")
        with anyio.fail_after(SOON_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(desk.outcomes, put("a"))
                await anyio.wait_all_tasks_blocked()
                assert desk.read() == {}
                other.execute("COMMIT")
    assert desk.read() == {"a": "x", "other": "x"}


async def test_others_commits_are_told_apart_from_its_own(tmp_path: Path) -> None:
    """However many own commits there are, none of them looks like somebody else's; and those of others are noticed."""
    store = SqliteStore(tmp_path / "bridge.db", clock=StoreClock())
    other = SqliteStore(tmp_path / "bridge.db", clock=StoreClock())
    with closing(store.agenda.watch()) as changes:
        while await changes.wait(0.2) != {}:
            pass
        for n in range(30):
            await store.log.record("local/main", heard(f"text {n}"))
            assert await changes.wait() == {"local/main": n + 1}
        assert await changes.wait(0.1) == {}
        await other.log.record("local/other", heard())
        for n in range(30, 40):
            await store.log.record("local/main", heard(f"text {n}"))
        seen: list[Changed] = []
        with anyio.fail_after(SOON_S):
            while None not in seen:
                seen.append(await changes.wait())
    await store.close()
    await other.close()


async def test_who_opens_a_store_waits_for_who_has_it_alone_for_a_moment(tmp_path: Path) -> None:
    """As the last one has it that closes it; a write waits by itself, so its connection does not."""
    path = tmp_path / "bridge.db"
    migrate(path)
    with closing(sqlite3.connect(path, check_same_thread=False)) as other, ThreadPoolExecutor() as threads:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("SELECT count(*) FROM log").fetchone()
        opened = threads.submit(connect, path, reading=False, wait_s=0.0)
        await anyio.sleep(SOON_S)
        assert not opened.done()
        other.close()
        session = await anyio.to_thread.run_sync(opened.result)
        assert session.value("data_version")
        session.close()


def test_a_store_belongs_to_the_event_loop_that_used_it_first(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "bridge.db", clock=StoreClock())
    anyio.run(store.log.record, "local/main", heard())
    with pytest.raises(StoreError, match="another event loop"):
        anyio.run(store.log.record, "local/main", heard("and?"))


async def test_words_are_taken_in_now_and_then_and_the_rest_by_a_search(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "bridge.db", clock=StoreClock())

    def taken_in() -> int:
        with closing(sqlite3.connect(tmp_path / "bridge.db")) as connection:
            (upto,) = connection.execute("SELECT upto FROM indexed").fetchone()
        return upto

    await store.log.record("local/main", *(heard(f"needle {n}") for n in range(STEP * 2 + 5)))
    assert taken_in() == STEP * 2
    assert len(await store.history.search("needle", limit=300)) == STEP * 2 + 5
    assert taken_in() == STEP * 2 + 5
    await store.close()


async def test_a_cancelled_search_leaves_the_store_in_order(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "bridge.db", clock=StoreClock())
    await store.log.record("local/main", *(heard(f"needle {n}") for n in range(200)))
    for _ in range(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.history.search, "needle")
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert len(await store.history.search("needle", limit=300)) == 200
    await store.close()


def test_threads_that_ask_at_once_all_find_their_statement() -> None:
    """The files of `sql/` are read once, by whichever threads come first: none sees a part of them."""
    names = sorted(statements())

    def text_of(name: str) -> str:
        return statements()[name]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            for _ in range(20):
                statements.cache_clear()
                assert all(threads.map(text_of, names[-8:]))
    finally:
        sys.setswitchinterval(interval)


async def test_a_patient_operation_shares_the_next_commit_and_goes_before_what_came_later(desk: Desk) -> None:
    await desk.outcomes(put("warm"))
    desk.ran.clear()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: desk.writer.execute(put("same", "first"), patient=True))
        await anyio.lowlevel.checkpoint()
        await desk.outcomes(put("same", "second"))
    assert desk.read()["same"] == "second"
    assert desk.ran.count("COMMIT") == 1


async def test_a_patient_operation_that_nothing_follows_goes_by_itself(desk: Desk) -> None:
    with anyio.fail_after(SOON_S):
        assert await desk.writer.execute(put("alone"), patient=True) == "alone"
    assert desk.read()["alone"] == "x"


async def test_a_patient_operation_is_on_disk_when_the_writer_has_closed(desk: Desk) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: desk.writer.execute(put("last"), patient=True))
        await anyio.lowlevel.checkpoint()
        await desk.writer.close()
    assert desk.read()["last"] == "x"
