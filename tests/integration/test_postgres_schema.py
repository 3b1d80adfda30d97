"""Stores on Postgres as they are opened: made once, refused where they are not ours, and told without secrets."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from bridge_mcp.core.entries import Heard, Posted, Sender
from bridge_mcp.core.errors import BadInput, ConfigError, NewerSchema, StoreError, StoreLost
from bridge_mcp.ports import ChannelOffset, Pairing
from bridge_mcp.stores import opening
from bridge_mcp.stores.postgres import PostgresStore, open_store, verify
from bridge_mcp.stores.postgres.connecting import Database as Place
from bridge_mcp.stores.postgres.migrate import migrate, migrations, newest, schema_version
from bridge_mcp.testing import ManualClock
from tests.contract.store_kit import ANN, HOST, heard
from tests.servers.postgres import Database, Served

HERE = "local/main"


async def test_processes_that_come_at_once_make_the_store_once(database: Database) -> None:
    assert schema_version(Place(database.url)) is None
    stores: list[PostgresStore] = []

    async def come() -> None:
        stores.append(await open_store(database.url, clock=ManualClock()))

    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(come)
    assert schema_version(Place(database.url)) == newest()
    for store in stores:
        await store.log.record(HERE, heard("hi"))
        await store.close()
    assert verify(database.url) == ()


@pytest.mark.shows("store.postgres-schema")
async def test_a_store_of_a_newer_version_is_refused_and_one_that_becomes_so_is_left(store_database: Database) -> None:
    store = await open_store(store_database.url, clock=ManualClock())
    await store.log.record(HERE, heard("hi"))
    with store_database.connect() as connection:
        connection.execute("UPDATE bridge_mcp_schema SET version = version + 1")
    with pytest.raises(NewerSchema, match=f"version {newest() + 1}") as caught:
        await open_store(store_database.url, clock=ManualClock())
    assert "Upgrade" in caught.value.fix
    with pytest.raises(StoreLost, match="another bridge_mcp"):
        await store.log.record(HERE, heard("and?"))
    await store.close()


async def test_a_database_of_something_else_is_left_alone(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("CREATE TABLE messages (id bigint)")
    with pytest.raises(StoreError, match="something else"):
        await open_store(database.url, clock=ManualClock())
    with database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (1,)


def newer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next version of the bridge, which knows one migration more."""
    for file in migrations():
        shutil.copy(file, folder)
    (folder / f"{newest() + 1:04}_more.sql").write_text("CREATE TABLE more (number bigint);\nCREATE TABLE most ();")
    monkeypatch.setattr("bridge_mcp.stores.postgres.migrate.FOLDER", folder)


async def test_an_older_store_is_brought_up_to_date_with_what_is_in_it(
    store_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store(store_database.url, clock=ManualClock())
    await store.log.record(HERE, heard("hi"))
    await store.close()
    newer(tmp_path, monkeypatch)
    told: list[tuple[int, int]] = []
    migrate(Place(store_database.url), progress=lambda done, of: told.append((done, of)))
    try:
        assert told == [(newest() - 1, newest())]
        store = await open_store(store_database.url, clock=ManualClock())
        assert len(await store.log.load(HERE)) == 1
        await store.close()
    finally:
        with store_database.connect() as connection:
            connection.execute("DROP TABLE more, most")


async def test_what_is_not_this_processs_to_migrate_is_not_migrated(
    store_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def owner() -> Generator[None]:
        raise StoreError("an older engine runs")
        yield

    newer(tmp_path, monkeypatch)
    with pytest.raises(StoreError, match="older engine"):
        migrate(Place(store_database.url), owner)
    assert schema_version(Place(store_database.url)) == newest() - 1


@pytest.mark.shows("store.postgres-secrets")
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (("bridge:", "nobody:"), "password"),
        (("/t_", "/nothing_"), "does not exist"),
        (("/t_", "/t_?nonsense="), "cannot be read"),
        (("@", "@[::1"), "cannot be read"),
        (("/t_", "/t_?sslmode=require&dbname=t_"), "SSL"),
    ],
    ids=["user", "database", "parameter", "no url", "tls"],
)
async def test_no_error_shows_the_password(
    store_database: Database,
    change: tuple[str, str],
    match: str,
    caplog: pytest.LogCaptureFixture,  # pyright: ignore
) -> None:
    caplog.set_level(logging.DEBUG)
    url = store_database.tcp_url.replace(*change)
    with pytest.raises((StoreError, ConfigError), match=match) as caught:
        await opening.open_store(url, clock=ManualClock())
    chain = [caught.value, caught.value.__cause__, caught.value.__context__]
    password = store_database.server.password
    assert password not in " ".join(f"{each!r} {each}" for each in chain) + caught.value.fix
    assert password not in caplog.text


@pytest.mark.shows("store.postgres-secrets")
async def test_neither_the_store_nor_its_health_shows_the_password(store_database: Database) -> None:
    store = await opening.open_store(store_database.tcp_url, clock=ManualClock())
    password = store_database.server.password
    assert password not in f"{vars(store)!r} {store.health()!r} {Place(store_database.tcp_url)!r}"
    assert Place(store_database.tcp_url).place == store_database.tcp_url.replace(f":{password}", "")
    await store.close()
    with pytest.raises(StoreError, match="closed") as caught:
        await store.log.record(HERE, heard("hi"))
    assert password not in str(caught.value)


async def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError) as caught:
        await opening.open_store("postgresql://ann@127.0.0.1/x", clock=ManualClock())
    assert "mcp-chat-bridge[postgres]" in caught.value.fix


@pytest.mark.parametrize("odd", ["a\0b", "\0", "\ufdd0", "a\ufdd0\ufdd1\0c", "\ufdd0\0", "🙂\ufffe"])
async def test_texts_that_postgres_would_refuse_are_kept_as_they_are(store_database: Database, odd: str) -> None:
    store = await open_store(store_database.url, clock=ManualClock())
    key, who = f"k{odd}", Sender("7", f"n{odd}")
    await store.log.record(HERE, Heard(odd, who, key, title=odd), Posted(f"p{odd}", HOST, key))
    assert (found := await store.log.find(HERE, f"heard:{key}")) is not None
    assert isinstance(found.entry, Heard)
    assert (found.entry.text, found.entry.sender.name) == (odd, who.name)
    assert not (await store.log.record(HERE, Heard("again", ANN, key)))[0].new
    conversation = await store.history.conversation(HERE)
    assert conversation is not None
    assert (conversation.title, conversation.last_text) == (odd, f"p{odd}")
    await store.access.pair(Pairing("tg", odd, "user", odd, "ann", 1.0))
    assert await store.access.find("tg", odd) == (Pairing("tg", odd, "user", odd, "ann", 1.0),)
    await store.close()
    assert verify(store_database.url) == ()


@pytest.mark.parametrize("odd", ["\ud800", "a\udfff"])
async def test_half_characters_are_refused_and_break_nothing(store_database: Database, odd: str) -> None:
    store = await open_store(store_database.url, clock=ManualClock())
    with pytest.raises(BadInput):
        await store.access.pair(Pairing("tg", odd, "user", "x", "ann", 1.0))
    with pytest.raises(BadInput):
        await store.channel_state.set_offset(ChannelOffset("tg", 2**70))
    await store.access.pair(Pairing("tg", "7", "user", "x", "ann", 1.0))
    assert len(await store.access.pairings()) == 1
    await store.close()


async def test_a_user_who_may_not_create_tables_is_told_what_is_missing(database: Database, postgres: Served) -> None:
    with pytest.raises(StoreError) as caught:
        migrate(Place(postgres.url("postgres", tcp=True)))
    assert "permission denied" in str(caught.value)
    assert "GRANT CREATE" in caught.value.fix


async def test_a_url_may_name_an_encoding_and_texts_come_back_as_they_were(store_database: Database) -> None:
    store = await open_store(f"{store_database.url}&client_encoding=latin1", clock=ManualClock())
    await store.log.record("local/main", heard("你好 ä"))
    assert [each.entry for each in await store.log.load("local/main")] == [heard("你好 ä")]
    await store.close()
