"""How long anybody waits for Postgres: within bounds, and told what to do."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import anyio
import psycopg
import pytest

from bridge_mcp.core.errors import StoreError
from bridge_mcp.stores.postgres import connecting, open_store, session
from bridge_mcp.stores.postgres.migrate import newest
from bridge_mcp.stores.postgres.reads import PostgresReads
from bridge_mcp.stores.sql.session import Session
from bridge_mcp.testing import ManualClock
from tests.contract.store_kit import SOON_S, heard
from tests.integration.test_postgres_faults import HERE, Cut
from tests.servers.launch import eventually
from tests.servers.postgres import Database, Served


@pytest.fixture
def cut(postgres: Served) -> Iterator[Cut]:
    with closing(Cut(postgres)) as made:
        yield made


@pytest.mark.shows("store.postgres-bounds")
async def test_reads_and_writes_end_though_postgres_stands_still(
    cut: Cut, store_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine takes what is sent. Whoever waits is told what to do, and all goes on once Postgres does."""
    for module in (connecting, session):
        monkeypatch.setattr(module, "CONNECT_S", 0.2)
    monkeypatch.setattr("bridge_mcp.stores.postgres.store.ANSWER_S", 0.3)
    for name in ("CONNECT_S", "ANSWER_S", "LONG_S"):
        monkeypatch.setattr(f"bridge_mcp.stores.postgres.reads.{name}", 0.3)
    store = await open_store(f"{cut.url(store_database)}?connect_timeout=2", clock=ManualClock())
    await store.log.record(HERE, heard("hi"))
    assert len(await store.log.load(HERE)) == 1
    cut.frozen = True
    failed: list[StoreError] = []

    async def told(attempt: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(StoreError, match="has not answered for") as caught:
            await attempt()
        failed.append(caught.value)

    with anyio.fail_after(SOON_S):
        async with anyio.create_task_group() as tasks:
            for _ in range(6):  # more than there are connections
                tasks.start_soon(told, lambda: store.log.load(HERE))
            tasks.start_soon(told, lambda: store.log.record(HERE, heard("and?")))
    assert all("Postgres runs and can be reached" in each.fix for each in failed)
    cut.frozen = False
    with anyio.fail_after(SOON_S):
        while True:
            with suppress(StoreError):
                await store.log.record(HERE, heard("now"))
                break
        assert len(await store.log.load(HERE)) == 2
    await store.close()


async def test_what_takes_too_long_is_ended_on_the_server_too(store_database: Database) -> None:
    with closing(connecting.Database(store_database.url).connect(answer_s=0.2)) as slow:
        with pytest.raises(psycopg.OperationalError, match=r"has not answered for 0\.2 s"):
            slow.execute("SELECT pg_sleep(60)")
        assert slow.closed
    with store_database.connect() as connection:
        asked = "SELECT FROM pg_stat_activity WHERE query LIKE '%sleep(60)%' AND pid <> pg_backend_pid()"
        await eventually(lambda: connection.execute(asked).fetchone() is None)


async def test_a_read_that_fails_after_its_caller_is_gone_is_noticed_by_nobody(store_database: Database) -> None:
    reads, free, begun = (
        PostgresReads(connecting.Database(store_database.url), newest()),
        threading.Event(),
        anyio.Event(),
    )
    loop, noise = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _, context: noise.append(context))

    def fails(_: Session) -> None:
        loop.call_soon_threadsafe(begun.set)
        free.wait(SOON_S)
        raise StoreError("no more")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reads.short, fails)
        await begun.wait()
        tasks.cancel_scope.cancel()
    free.set()
    await reads.close()
    gc.collect()
    assert noise == []


def test_a_server_that_stands_still_while_a_connection_is_made_is_given_up_within_seconds(
    cut: Cut, store_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is closed meanwhile waits for it: there is no connection yet that could be given up."""
    monkeypatch.setattr(connecting, "LOOK_S", 0.3)
    plain = connecting.Bounded.connect

    def connect(*args: Any, **more: Any) -> Any:
        made = plain(*args, **more)
        cut.frozen = True
        return made

    monkeypatch.setattr(connecting.Bounded, "connect", connect)
    began = time.monotonic()
    with pytest.raises(StoreError, match="has not answered for"):
        connecting.Database(cut.url(store_database)).connect(answer_s=connecting.ANSWER_S)
    assert time.monotonic() - began < SOON_S
