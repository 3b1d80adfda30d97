"""`Callers`: who lives of those that run calls themselves. One suite for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import psycopg
import pytest

from bridge_mcp.callers import FileCallers
from bridge_mcp.ports import Callers
from bridge_mcp.stores.postgres import callers as rows
from bridge_mcp.stores.postgres.store import PostgresStore, open_store
from bridge_mcp.testing import FakeCallers, ManualClock
from tests.contract.store_kit import SOON_S
from tests.servers.postgres import Database

NOBODY = "0123456789abcdef"


@pytest.fixture
async def store(store_database: Database) -> AsyncGenerator[PostgresStore]:
    opened = await open_store(store_database.url, clock=ManualClock())
    yield opened
    await opened.close()


@pytest.fixture(params=["files", "rows", "memory"])
def callers(request: pytest.FixtureRequest) -> Callers:
    match request.param:
        case "files":
            return FileCallers(request.getfixturevalue("tmp_path") / "callers")
        case "rows":
            return request.getfixturevalue("store").callers
        case _:
            return FakeCallers()


async def test_who_is_held_lives_and_nobody_else(callers: Callers) -> None:
    async with callers.held() as one, callers.held() as other:
        assert one != other
        assert await callers.living((one, other, NOBODY, "../../etc/passwd", "")) == {one, other}
        assert await callers.living(()) == frozenset()
    assert await callers.living((one, other)) == frozenset()


def seen_before(database: Database, seconds: float) -> None:
    """All rows are so much older."""
    with psycopg.connect(database.url) as connection:
        connection.execute("UPDATE callers SET seen = seen - %s", (seconds,))


async def test_a_row_that_is_not_renewed_is_of_a_process_that_is_gone(
    store: PostgresStore, store_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server was not started just now either: then nobody could have renewed anything."""
    with psycopg.connect(store_database.url) as connection:
        row = connection.execute("SELECT extract(epoch FROM now() - pg_postmaster_start_time())::float").fetchone()
    assert row is not None
    up_s = float(row[0])
    async with store.callers.held() as name:
        seen_before(store_database, 3 * up_s)
        monkeypatch.setattr(rows, "SILENT_S", 2 * up_s)
        assert await store.callers.living((name,)) == {name}
        monkeypatch.setattr(rows, "SILENT_S", up_s / 2)
        assert await store.callers.living((name,)) == frozenset()


async def test_a_process_renews_its_row_and_the_oldest_ones_go(
    store: PostgresStore, store_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "SAY_S", 0.02)
    with psycopg.connect(store_database.url) as connection:
        connection.execute("INSERT INTO callers VALUES ('gone', bridge_now() - %s)", (rows.GONE_S + 1,))
    async with store.callers.held() as name:
        seen_before(store_database, 3600.0)
        async with asyncio.timeout(SOON_S):
            while True:
                with psycopg.connect(store_database.url) as connection:
                    found = connection.execute("SELECT name FROM callers WHERE seen > bridge_now() - 60").fetchall()
                    there = connection.execute("SELECT name FROM callers").fetchall()
                if found:
                    break
                await asyncio.sleep(0.01)
    assert there == [(name,)]
