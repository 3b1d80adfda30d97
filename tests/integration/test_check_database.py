"""What `check` finds on Postgres: the way to it, the clock, and who works; a pooler in transaction mode is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from bridge_mcp.cli.database_findings import connection_findings, database_findings
from bridge_mcp.config import load_config
from bridge_mcp.core.entries import Heard
from bridge_mcp.core.errors import StoreError
from bridge_mcp.stores.postgres import connecting
from bridge_mcp.stores.postgres.connecting import keep_sessions
from bridge_mcp.stores.postgres.looking import Way, way_to
from bridge_mcp.stores.postgres.store import open_store
from bridge_mcp.workers.clock import DatabaseClock
from tests.contract.store_kit import say
from tests.servers.postgres import Database


class Pooled:
    """A client of a pooler in transaction mode: each transaction is on whichever session is free, here the one."""

    def __init__(self, session: psycopg.Connection[Any]) -> None:
        self._session = session

    def execute(self, statement: str, **options: Any) -> psycopg.Cursor[Any]:
        return self._session.execute(statement.encode(), **options)


@pytest.mark.shows("store.pooler-found")
def test_a_pooler_that_shares_sessions_is_told_from_postgres(database: Database) -> None:
    with psycopg.connect(database.url, autocommit=True) as one, psycopg.connect(database.url, autocommit=True) as other:
        assert keep_sessions(one, other)
        assert not keep_sessions(cast("Any", Pooled(one)), cast("Any", Pooled(one)))
    way = way_to(database.tcp_url)
    assert way.keeps_sessions
    assert way.server.startswith("1")
    assert way.database == way_to(database.url).database
    shared = Way("18.0", way.database, keeps_sessions=False)
    assert "PgBouncer in transaction mode" in connection_findings([shared])[0].told
    assert connection_findings([shared, way]) == []
    assert "direct_url leads to a pooler" in connection_findings([way, shared])[0].told
    assert "two databases" in connection_findings([way, Way("18.0", "another", keeps_sessions=True)])[0].told


@pytest.mark.shows("store.poolers")
async def test_a_store_behind_a_pooler_that_shares_sessions_needs_a_way_around_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for `tests/acceptance/test_poolers.py`: on the socket one process serves whatever connection."""

    def served_by(connection: psycopg.Connection[Any]) -> int:
        return connection.info.backend_pid if connection.info.host == "127.0.0.1" else 7

    monkeypatch.setattr(connecting, "backend", served_by)
    with pytest.raises(StoreError, match=r"shares sessions.*Name Postgres itself.*direct_url"):
        await open_store(database.url, clock=DatabaseClock(), wait_s=0)
    store = await open_store(database.url, clock=DatabaseClock(), direct_url=database.tcp_url)
    await say(store, "local/a", "hi")
    await say(store, "local/a", "again")
    assert [each.entry.text for each in await store.log.load("local/a") if isinstance(each.entry, Heard)] == [
        "hi",
        "again",
    ]
    assert store.database.shares_sessions
    await store.close()


async def test_what_is_there_is_told_without_a_password(tmp_path: Path, database: Database) -> None:
    file = tmp_path / "bridge.toml"
    file.write_text('[store]\nurl_env = "STORE_URL"\n', "utf-8")
    env = {"STORE_URL": database.tcp_url, "BRIDGE_MCP_STATE_DIR": str(tmp_path / "state")}
    found = [each async for each in database_findings(load_config(file, env=env, cwd=tmp_path))]
    told = "\n".join(f"{each.what}: {each.told}" for each in found)
    assert all(each.fine for each in found), told
    assert database.name in told
    assert "Postgres 1" in told
    assert "no worker drives" in told
    assert "this machine and the database agree" in told
    assert database.server.password not in told
    gone = {**env, "STORE_URL": database.tcp_url.replace(database.name, "not_there")}
    (refused,) = [each async for each in database_findings(load_config(file, env=gone, cwd=tmp_path))]
    assert not refused.fine
    assert database.server.password not in refused.told
