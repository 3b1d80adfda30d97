"""A bridge moves between a file and a database, whole, in both directions, and goes on where a move was interrupted."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bridge_mcp.core.entries import Edited, Heard, Sender
from bridge_mcp.core.errors import BadInput, StoreError
from bridge_mcp.core.grants import Grant
from bridge_mcp.ports import (
    ChannelOffset,
    FaceNote,
    FaceSession,
    FirstMessage,
    Pairing,
    StoredClient,
    SubscriptionLimits,
)
from bridge_mcp.service import OWNER
from bridge_mcp.stores import opening
from bridge_mcp.stores.files import FileFolder
from bridge_mcp.stores.moving.contents import DatabaseFiles, FolderFiles, end_of, faults, index_words
from bridge_mcp.stores.moving.ends import SqliteEnd
from bridge_mcp.stores.moving.move import Move, Moved
from bridge_mcp.stores.moving.tables import LEFT_OUT, TABLES, Key, Row
from bridge_mcp.stores.postgres.files import PostgresFiles
from bridge_mcp.stores.sqlite import migrate
from tests.contract.store_kit import StoreClock, rows_of
from tests.contract.test_store_subscriptions import ONE as SUBSCRIPTION
from tests.integration.face_child import running
from tests.servers.postgres import Database

STORES = Path(migrate.__file__).parents[1]


async def filled(folder: Path) -> Path:
    """A store with something in every table that a bridge writes, and files beside it."""
    async with running(folder) as bridge:
        store = bridge.store
        turn = await bridge.run_turn(OWNER, "local/main", "delete a.txt", wait_s=10)
        (approval,) = await bridge.list_approvals(OWNER)
        await bridge.approve_call(OWNER, approval.id, digest=approval.digest)
        await bridge.wait_for(OWNER, turn.id, timeout_s=10)
        await bridge.run_turn(OWNER, "local/other", "delete waits.txt", wait_s=10)
        for number in range(60):
            text = f"message \u4f60\u597d {number} \0"
            await store.log.record("family/42", Heard(text, Sender("7", "Ann"), f"k{number}", to="off"))
        await store.log.record("family/42", Edited(0, "quite another text", key="e0"))
        await store.clients.add(StoredClient("ann", "hash", frozenset({"read"})))
        await store.grants.add(Grant(0, "files__*", expires_at=9e9, by="owner"))
        await store.access.pair(Pairing("family", "43", "user", name="Bob"))
        await store.channel_state.set_offset(ChannelOffset("family", 77))
        await store.channel_state.move_chat("family", "1", "2")
        await store.channel_state.set_topic_title("family", "1/2", "Topic", at_most=9)
        await store.channel_state.keep_first_message(FirstMessage("family", "9", "9", 1.0, heard="{}"), at_most=9)
        await store.channel_state.set_undelivered("family/1", "gone", at_most=9)
        await store.tool_pins.keep("files", {"delete": "digest"})
        await store.secrets.get_or_create("task handles")
        await store.subscriptions.put(SUBSCRIPTION, SubscriptionLimits(9, 9, 9))
        await store.feed.acknowledge("ann/me", 3)
        session = FaceSession("one", "mcp", "ann", "{}", begun=1.0, used=2.0)
        await store.face_sessions.put(session, at_most=9)
        await store.face_sessions.subscribe(FaceNote("one", "me"), "bridge://status", 1.0, at_most=9)
    files = FileFolder(folder / "files")
    for content in (b"one", b"two" * 1000):
        files.keep(content)
    return folder / "store.db"


def silent(stage: str, done: int, of: int) -> None:
    """Nobody looks."""


def move(source: str, target: str, folders: Mapping[str, Path], stop_at: str = "") -> Moved:
    """Move a bridge; interrupted once this stage has begun, if one is named."""

    def files(url: str) -> FolderFiles | DatabaseFiles:
        return FolderFiles(folders[url]) if url in folders else DatabaseFiles(url)

    def progress(stage: str, done: int, of: int) -> None:
        if stop_at and stage == stop_at and done:
            raise KeyboardInterrupt

    ends, kept = (end_of(source), end_of(target)), (files(source), files(target))
    return Move(*ends, kept, index=index_words, verify=faults, progress=progress).run()


@pytest.mark.shows("store.moves")
async def test_there_and_back_a_bridge_is_the_same(tmp_path: Path, database: Database) -> None:
    path = await filled(tmp_path)
    before = rows_of(path)
    back = tmp_path / "back.db"
    there, again = f"sqlite:///{path}", f"sqlite:///{back}"
    folders = {there: tmp_path / "files", again: tmp_path / "back.files"}
    moved = move(there, database.tcp_url, folders)
    assert moved.wrong == ()
    assert (moved.files, moved.entries) == (2, len(before["log"]))
    files = PostgresFiles(database.tcp_url)
    store = await opening.open_store(database.tcp_url, clock=StoreClock())
    try:
        assert (await store.feed.head()) == max(int(str(row[0])) for row in before["events"])
        found = await store.history.search("quite another")
        assert [each.text for each in found] == ["quite another text"]
        assert len(await store.history.search("\u4f60\u597d", limit=100)) == 59
        assert await store.log.record("local/new", Heard("after the move", Sender("7"), "new", to="off"))
    finally:
        await store.close()
        await files.close()
    moved = move(database.tcp_url, again, folders)
    assert moved.wrong == ()
    after = rows_of(back)
    changed = {"log", "conversations", "events", "messages", "face_notes"}
    assert {name: after[name] for name in after.keys() - changed} == {
        name: before[name] for name in before.keys() - changed
    }
    for name in changed - {"face_notes"}:
        assert len(after[name]) == len(before[name]) + 1, "what was written in between"
        assert set(map(repr, before[name])) <= set(map(repr, after[name])), name
    assert FolderFiles(tmp_path / "back.files").hashes() == FolderFiles(tmp_path / "files").hashes()


@pytest.mark.shows("store.moves")
@pytest.mark.parametrize("stage", ["log", "messages", "words", "files"])
async def test_a_move_that_was_interrupted_goes_on(tmp_path: Path, database: Database, stage: str) -> None:
    path = await filled(tmp_path)
    source, folders = f"sqlite:///{path}", {f"sqlite:///{path}": tmp_path / "files"}
    with pytest.raises(KeyboardInterrupt):
        move(source, database.tcp_url, folders, stop_at=stage)
    with pytest.raises(StoreError, match="not finished"):
        await opening.open_store(database.tcp_url, clock=StoreClock())
    moved = move(source, database.tcp_url, folders)
    assert moved.wrong == ()
    assert moved.entries == len(rows_of(path)["log"])
    with psycopg.connect(database.tcp_url) as connection:
        assert connection.execute("SELECT count(*) FROM words").fetchone() == (len(rows_of(path)["messages"]),)


@pytest.mark.shows("store.moves")
@pytest.mark.parametrize("how", ["before", "after"])
async def test_a_move_into_a_file_that_was_killed_as_it_ended_has_ended_or_goes_on(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    there, again = f"sqlite:///{await filled(tmp_path)}", f"sqlite:///{tmp_path / 'back.db'}"
    folders = {there: tmp_path / "files", again: tmp_path / "back.files"}
    move(there, database.tcp_url, folders)
    plain = os.replace

    def killed(source: Path, target: Path) -> None:
        if target != tmp_path / "back.db" or how == "after":
            plain(source, target)
        if target == tmp_path / "back.db":
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        move(database.tcp_url, again, folders)
    monkeypatch.undo()
    if how == "before":
        assert move(database.tcp_url, again, folders).wrong == ()
    store = await opening.open_store(again, clock=StoreClock())
    assert await store.verify() == ()
    await store.close()
    with pytest.raises(BadInput, match="is there already"):
        move(database.tcp_url, again, folders)


async def test_a_feed_of_which_all_is_pruned_stays_so(tmp_path: Path, database: Database) -> None:
    there, again = f"sqlite:///{tmp_path / 'store.db'}", f"sqlite:///{tmp_path / 'back.db'}"
    store = await opening.open_store(there, clock=StoreClock())
    await store.log.record("family/42", *(Heard(f"message {n}", Sender("7"), f"k{n}", to="off") for n in range(5)))
    await store.close()
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("DELETE FROM events")
    connection.close()
    folders = {there: tmp_path / "files", again: tmp_path / "back.files"}
    for source, target in ((there, database.tcp_url), (database.tcp_url, again)):
        assert move(source, target, folders).wrong == ()
        store = await opening.open_store(target, clock=StoreClock())
        assert await store.verify() == ()
        assert (await store.feed.read(0, 9)).first_available == 6
        await store.close()


async def test_what_is_in_use_is_not_moved_and_nothing_is_overwritten(tmp_path: Path, database: Database) -> None:
    path = await filled(tmp_path)
    source, folders = f"sqlite:///{path}", {f"sqlite:///{path}": tmp_path / "files"}
    store = await opening.open_store(source, clock=StoreClock())
    with pytest.raises(StoreError, match="in use"):
        move(source, database.tcp_url, folders)
    await store.close()
    with psycopg.connect(database.tcp_url):
        with pytest.raises(StoreError, match="in use by 1 other"):
            move(source, database.tcp_url, folders)
    assert move(source, database.tcp_url, folders).wrong == ()
    with pytest.raises(BadInput, match="holds a bridge already"):
        move(source, database.tcp_url, folders)
    with pytest.raises(BadInput, match="is there already"):
        move(database.tcp_url, source, folders)


async def test_what_arrived_otherwise_is_found_and_is_no_store(tmp_path: Path, database: Database) -> None:
    """One bit of an entry that changes on its way: the chain that is computed anew ends otherwise."""
    path = await filled(tmp_path)
    source = f"sqlite:///{path}"

    class Odd(SqliteEnd):
        def page(
            self, table: str, columns: Sequence[str], key: Key, after: Sequence[Any] | None, limit: int
        ) -> list[Row]:
            rows = super().page(table, columns, key, after, limit)
            if table == "log" and "body" in columns:
                at = columns.index("body")
                rows = [(*row[:at], row[at].replace("message", "massage"), *row[at + 1 :]) for row in rows]
            return rows

    files = (FolderFiles(tmp_path / "files"), DatabaseFiles(database.tcp_url))
    ends = (Odd(path), end_of(database.tcp_url))
    moved = Move(*ends, files, index=index_words, verify=faults, progress=silent).run()
    assert any("family/42" in line for line in moved.wrong), moved.wrong
    with pytest.raises(StoreError, match="not finished"):
        await opening.open_store(database.tcp_url, clock=StoreClock())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE conversations SET head = head + 1 WHERE id = 1")
    connection.close()
    with pytest.raises(StoreError, match="another move"):
        move(source, database.tcp_url, {source: tmp_path / "files"})


def test_every_table_is_moved_or_left_out_for_a_reason() -> None:
    files = [STORES / "sqlite" / "schema.sql", *(STORES / "postgres" / "migrations").glob("*.sql")]
    made = {name for file in files for name in re.findall(r"^CREATE (?:VIRTUAL )?TABLE (\w+)", file.read_text(), re.M)}
    assert made <= TABLES.keys() | LEFT_OUT.keys()
    assert TABLES.keys() <= made


async def test_tables_are_read_by_keys_of_which_no_two_rows_have_the_same(tmp_path: Path, database: Database) -> None:
    """Else a page that ends between two such rows loses the second one."""
    path = await filled(tmp_path)
    opening.migrate(database.url)
    with database.connect() as connection, closing(sqlite3.connect(path)) as file:
        for table, key in TABLES.items():
            unique = connection.execute(
                "SELECT array_agg(a.attname::text) FROM pg_index AS i"
                " JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)"
                " WHERE i.indrelid = %s::regclass AND i.indisunique AND i.indpred IS NULL GROUP BY i.indexrelid",
                (table,),
            ).fetchall()
            assert any(set(columns) <= set(key) for (columns,) in unique), table
            columns = ", ".join(f'"{name}"' for name in key)
            twice = f"SELECT count(*) FROM (SELECT 1 FROM {table} GROUP BY {columns} HAVING count(*) > 1)"
            assert file.execute(twice).fetchone() == (0,), table
