"""What becomes of writes when Postgres, or the way to it, fails: done once, or said that it was not."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress

import anyio
import psycopg
import pytest

from bridge_mcp.core.entries import Heard
from bridge_mcp.core.errors import BadInput, StoreError
from bridge_mcp.stores.postgres import connecting, open_store, session, verify
from bridge_mcp.stores.postgres.migrate import migrate, newest
from bridge_mcp.stores.postgres.reads import PostgresReads
from bridge_mcp.stores.postgres.store import PostgresStore
from bridge_mcp.stores.sql.session import Session
from bridge_mcp.stores.sql.writer import Writer
from bridge_mcp.testing import ManualClock
from tests.contract.store_kit import SOON_S, heard
from tests.servers.postgres import Database, PostgresServer, Served, free_port

HERE = "local/main"


class Cut:
    """A way to a server on which a connection is cut where a client commits: before the server hears it, or after."""

    def __init__(self, server: Served) -> None:
        self.server = server
        self.when = ""
        """Cut the next commit: "before" or "after"."""
        self.cuts = 0
        self.frozen = False
        """Whatever is sent is taken, and never answered."""
        self.listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, database: Database) -> str:
        return database.tcp_url.replace(f":{self.server.port}/", f":{self.listening.getsockname()[1]}/")

    def close(self) -> None:
        self.listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.server.port))
            mute = threading.Event()
            threading.Thread(target=self._hear, args=(client, server, mute), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client, mute), daemon=True).start()

    def _hear(self, client: socket.socket, server: socket.socket, mute: threading.Event) -> None:
        while data := received(client):
            if self.frozen:
                continue
            if self.when and b"COMMIT\0" in data:
                when, self.when = self.when, ""
                self.cuts += 1
                mute.set()
                if when == "before":
                    break
                # After: the rest of the request goes on, its answer is dropped, and the connection with it.
            send(server, data)
        ended(server, client)

    def _answer(self, server: socket.socket, client: socket.socket, mute: threading.Event) -> None:
        while (data := received(server)) and not mute.is_set():
            send(client, data)
        ended(server, client)


def send(target: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        target.sendall(data)


def ended(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


def received(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except OSError:
        return b""


@pytest.fixture
def cut(postgres: Served) -> Iterator[Cut]:
    made = Cut(postgres)
    yield made
    made.close()


@pytest.mark.shows("store.postgres-commit-fate")
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_commit_whose_connection_is_cut_is_done_once_and_known(
    cut: Cut, store_database: Database, when: str
) -> None:
    store = await open_store(cut.url(store_database), clock=ManualClock())
    await store.log.record(HERE, heard("first"))
    cut.when = when
    with anyio.fail_after(SOON_S * 3):
        (recorded,) = await store.log.record(HERE, heard("second"))
        assert (recorded.seq, recorded.new) == (1, True)
        (begun,) = await store.log.intend(HERE, 2, heard("third"))
    assert begun.seq == 2
    assert cut.cuts == 1
    entries = [entry.entry for entry in await store.log.load(HERE)]
    assert [entry.text for entry in entries if isinstance(entry, Heard)] == ["first", "second", "third"]
    await store.close()
    assert verify(store_database.url) == ()


async def test_a_connection_that_is_cut_between_two_writes_is_made_anew(store_database: Database) -> None:
    store = await open_store(store_database.url, clock=ManualClock())
    for number in range(4):
        await store.log.record(HERE, heard(f"text {number}"))
        with store_database.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert len(await store.log.load(HERE)) == number + 1
    await store.close()


async def test_whoever_stops_within_a_transaction_holds_up_others_for_seconds_at_most(
    store_database: Database,
) -> None:
    """The server ends the transaction of a process that is stopped: its locks are free."""
    store = await open_store(store_database.url, clock=ManualClock())
    await store.log.record(HERE, heard("hi"))
    stopped = connecting.Database(store_database.url).connect()
    stopped.execute("BEGIN")
    stopped.execute("UPDATE feed SET head = head")
    stopped.execute("SELECT * FROM conversations FOR UPDATE")
    with anyio.fail_after(SOON_S):
        await store.log.record(HERE, heard("and?"))
    with pytest.raises(psycopg.Error, match=r"terminat|closed"):
        stopped.execute("COMMIT")
    stopped.close()
    await store.close()


@pytest.mark.shows("store.postgres-restart")
async def test_writes_and_reads_go_on_over_restarts_of_postgres(own_postgres: PostgresServer) -> None:
    url = own_postgres.served.create().tcp_url
    store = await open_store(url, clock=ManualClock(), delivered_by_commit=frozenset({"local"}))
    done: list[int] = []

    async def write(place: str) -> None:
        number = 0
        while len(done) < 4 or number < 5:
            (recorded,) = await store.log.record(f"local/{place}", heard(f"text {number}"))
            assert recorded.seq == number
            assert len(await store.log.load(f"local/{place}")) == number + 1
            number += 1

    async def restart() -> None:
        for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGINT, signal.SIGQUIT):
            await anyio.sleep(0.2)  # so much is written in between
            await anyio.to_thread.run_sync(own_postgres.restart, how)
            done.append(1)

    with anyio.fail_after(90):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(restart)
            for place in "abc":
                tasks.start_soon(write, place)
    assert store.health().failure == ""
    await store.close()
    assert verify(url) == ()


async def test_a_postgres_that_is_down_at_start_is_waited_for(own_postgres: PostgresServer) -> None:
    made = own_postgres.served.create()
    own_postgres.stop()
    opened: list[PostgresStore] = []

    async def start() -> None:
        opened.append(await open_store(made.tcp_url, clock=ManualClock()))

    with anyio.fail_after(SOON_S * 3):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(start)
            await anyio.sleep(0.3)  # it tries in vain meanwhile
            assert not opened
            await anyio.to_thread.run_sync(own_postgres.start)
    await opened[0].log.record(HERE, heard("hi"))
    await opened[0].close()


async def test_a_store_whose_postgres_is_gone_says_so_and_where(
    own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (connecting, session):
        monkeypatch.setattr(module, "CONNECT_S", 0.2)
    monkeypatch.setattr("bridge_mcp.stores.postgres.reads.CONNECT_S", 0.2)
    made = own_postgres.served.create()
    store = await open_store(made.tcp_url, clock=ManualClock())
    await store.log.record(HERE, heard("hi"))
    own_postgres.stop()
    for attempt in (store.log.record(HERE, heard("and?")), store.log.load(HERE)):
        with pytest.raises(StoreError, match="cannot be reached") as caught:
            await attempt
        assert "127.0.0.1" in str(caught.value)
        assert own_postgres.served.password not in f"{caught.value} {caught.value.fix} {caught.value!r}"
        assert caught.value.fix
    assert "cannot be reached" in store.health().failure
    own_postgres.start()
    await store.log.record(HERE, heard("and?"))
    assert store.health().failure == ""
    await store.close()


async def test_two_that_append_to_the_same_conversations_in_other_orders_both_end(store_database: Database) -> None:
    """Batches take the rows in one order, and what deadlocks all the same is tried again."""
    first = await open_store(store_database.url, clock=ManualClock())
    second = await open_store(store_database.url, clock=ManualClock())
    places = [f"local/{number}" for number in range(8)]
    with anyio.fail_after(SOON_S * 3):
        async with anyio.create_task_group() as tasks:
            for number in range(10):
                for store, order in ((first, places), (second, places[::-1])):
                    for place in order:
                        tasks.start_soon(store.log.record, place, heard(f"{number} {store is first}"))
    for place in places:
        assert len(await first.log.load(place)) == 20
    await first.close()
    await second.close()


async def test_a_name_that_the_database_cannot_take_costs_its_own_write_alone(store_database: Database) -> None:
    store = await open_store(store_database.url, clock=ManualClock())
    outcomes: list[object] = []

    async def record(conversation: str) -> None:
        try:
            outcomes.append(await store.log.record(conversation, heard("hi")))
        except BadInput as exc:
            outcomes.append(str(exc))

    with anyio.fail_after(SOON_S):
        async with anyio.create_task_group() as tasks:  # they share a commit
            for conversation in ("local/one", "local/\ud800", "local/two"):
                tasks.start_soon(record, conversation)
        await record("local/three")
    assert sum("cannot be stored" in str(each) for each in outcomes) == 1
    assert len(outcomes) == 4
    await store.close()


async def test_all_that_wait_for_a_postgres_that_is_gone_are_told_together(
    own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit of many that is broken by the end of Postgres is not tried one by one, each for as long."""
    monkeypatch.setattr(session, "CONNECT_S", 0.5)
    place = connecting.Database(own_postgres.served.create().tcp_url)
    migrate(place)
    writing = session.Session(place, newest(), reading=False)
    writer, failed = Writer(writing, lambda changed: None), list[str]()

    def ends_postgres(at: Session) -> None:
        if own_postgres.process is not None:
            own_postgres.stop(signal.SIGQUIT)
        at.value("cursor_span")

    async def write(operation: Callable[[Session], None]) -> None:
        with pytest.raises(StoreError) as caught:
            await writer.execute(operation)
        failed.append(str(caught.value))

    began = time.monotonic()
    async with anyio.create_task_group() as tasks:
        for _ in range(40):
            tasks.start_soon(write, ends_postgres)
    assert len(failed) == 40
    assert {"cannot be reached" in each for each in failed} == {True}
    assert time.monotonic() - began < 0.5 * 40 / 2
    await writer.close()


async def test_a_store_is_closed_though_its_postgres_stands_still(
    cut: Cut, store_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge_mcp.stores.postgres.store.CLOSE_S", 0.3)
    store = await open_store(f"{cut.url(store_database)}?connect_timeout=2", clock=ManualClock())
    await store.log.record(HERE, heard("hi"))
    watching = store.agenda.watch()
    assert len(await store.log.load(HERE)) == 1
    cut.frozen = True
    failed: list[str] = []

    async def told(attempt: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(StoreError) as caught:
            await attempt()
        failed.append(str(caught.value))

    with anyio.fail_after(SOON_S):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(told, lambda: store.log.load(HERE))
                tasks.start_soon(told, lambda: store.log.record(HERE, heard("and?")))
            await anyio.sleep(0.1)
            await store.close()
    assert len(failed) == 6
    watching.close()


async def test_long_reads_hold_up_no_short_ones(store_database: Database) -> None:
    reads, free = PostgresReads(connecting.Database(store_database.url), newest()), threading.Event()

    def waits(_: Session) -> None:
        free.wait(SOON_S)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(reads.long, waits)
        await anyio.wait_all_tasks_blocked()
        try:
            with anyio.fail_after(SOON_S / 2):
                assert await reads.row("cursor_span") == (0, None)
        finally:
            free.set()
    await reads.close()


async def test_nobody_answers_at_the_port_of_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge_mcp.stores.postgres.store.CONNECT_S", 0.2)
    with pytest.raises(StoreError, match="cannot be reached") as caught, closing(socket.socket()):
        PostgresStore(f"postgresql://ann:hunter2@127.0.0.1:{free_port()}/x", clock=ManualClock(), wait_s=0.1)
    assert "hunter2" not in str(caught.value)
