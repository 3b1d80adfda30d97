"""`backup` and `restore` with Postgres: an archive is the same whatever made it, and goes into either store."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import anyio.to_thread
import psycopg
import pytest

from bridge_mcp.cli.keeping import copied, restored, restored_into_database
from bridge_mcp.config import Config, examine
from bridge_mcp.core.entries import Call, Finished, Question, Requested, Started
from bridge_mcp.core.errors import BadInput, StoreError
from bridge_mcp.core.grants import Grant
from bridge_mcp.ports import Pairing, Store, StoredClient
from bridge_mcp.stores import opening, postgres
from bridge_mcp.stores.files import FileFolder
from bridge_mcp.stores.moving.contents import DatabaseFiles
from bridge_mcp.stores.postgres.files import PostgresFiles
from bridge_mcp.testing import ManualClock
from tests.acceptance.parts import Home
from tests.contract.store_kit import asked, heard, model_started, posted, replied, turn
from tests.servers.postgres import Database

CALLS = (Call("1.0", "files__delete", "{}"), Call("1.1", "files__read", "{}"))
PICTURE = hashlib.sha256(b"a picture").hexdigest()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


async def fill(url: str) -> None:
    """Everything that can be under way when a backup is made, and what must come back."""
    store = await opening.open_store(url, clock=ManualClock(1000.0))
    files = PostgresFiles(url)
    await turn(store, "tg/1", "hello \0 there", "I am well.")
    await store.log.record("tg/1", posted("on its way", "p1"), posted("asks", "q1", Question((), 0.0)))
    await store.log.record("tg/2", heard("nobody has answered this"))
    await store.log.record("tg/3", heard("delete it"))
    await store.log.intend("tg/3", 1, model_started(0))
    await store.log.answer("tg/3", 1, replied("", *CALLS, upto=1))
    await store.log.record("tg/3", asked("1.0"))
    await store.log.intend("tg/3", 4, Started("tool", call="1.1", tool="files__read", arguments="{}", repeatable=True))
    await store.log.record("calls/x.1", Requested((Call("0.0", "files__read", "{}"),), "host"))
    await store.clients.add(StoredClient("nova", "0" * 64, frozenset({"read", "send"})))
    await store.grants.add(Grant(0, "files__read", "tg/1", arguments=(), by="bob", created_at=1000.0))
    await store.access.pair(Pairing("tg", "1", name="Ann"))
    await store.secrets.get_or_create("handles")
    await files.put(b"a picture", mime="image/png")
    await files.close()
    await store.close()


def run(home: Home, url: str, *arguments: str) -> str:
    """Run a command with a database as the store; what it printed."""
    home.write('[store]\nurl_env = "DB"\n')
    told = home.run(*arguments, DB=url)
    return told


def configured(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Settings with this database as the store, or with a file."""
    (folder / "state").mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("BRIDGE_MCP_STATE_DIR", str(folder / "state"))
    monkeypatch.setenv("DB", url)
    (folder / "bridge.toml").write_text('[store]\nurl_env = "DB"\n' if url else "")
    config, wrong = examine(folder / "bridge.toml")
    assert wrong is None
    return config


def silent(what: str, done: int, of: int) -> None:
    """Nobody looks."""


async def check_at_rest(store: Store) -> None:
    """A restored store has everything and goes on with nothing."""
    assert await store.verify() == ()
    assert await store.agenda.due(9e9, 10) == ()
    assert await store.outbox.due(9e9, 10) == ()
    statuses = [(m.text, m.status, m.asks) for m in await store.history.messages("tg/1")]
    assert ("on its way", "uncertain", False) in statuses
    assert ("asks", "uncertain", False) in statuses
    assert "hello \0 there" in [text for text, _, _ in statuses]
    entries = [logged.entry for logged in await store.log.load("tg/3")]
    assert [(each.call, each.outcome) for each in entries if isinstance(each, Finished)] == [
        ("1.0", "expired"),
        ("1.1", "unknown"),
    ]
    page = await store.feed.read(3, 10)
    assert page.gap
    assert page.first_available > 1_000_000
    assert await store.clients.by_token("0" * 64) is None
    assert await store.access.pairings("tg") == ()
    assert await store.grants.active(1001.0) == ()
    assert len(await store.history.search("well")) == 1


@pytest.mark.shows("keep.postgres", "keep.restore", "keep.backup-while-running", "store.postgres-secrets")
async def test_a_backup_of_a_database_in_use_goes_into_a_file_and_into_a_database(
    home: Home, database: Database, store_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(database.tcp_url)
    store = await opening.open_store(database.tcp_url, clock=ManualClock(2000.0))
    files = PostgresFiles(database.tcp_url)
    done, number, begun = False, 0, asyncio.Event()

    async def write() -> None:
        nonlocal number
        while not done:
            if number == 3:
                begun.set()
            await store.log.record("desk/busy", heard(f"message {number}", key=f"k{number}"))
            await files.put(f"file {number}".encode())
            number += 1
            await asyncio.sleep(0.02)  # the machine is for the backup too

    writer = asyncio.ensure_future(write())
    await begun.wait()
    told = await anyio.to_thread.run_sync(run, home, database.tcp_url, "backup", "kept.zip")
    written, done = number, True
    await writer
    await files.close()
    await store.close()
    assert written > 3, "the backup held nobody up"
    assert "In it: every conversation" in told
    assert database.server.password not in told
    assert stat.S_IMODE((home.work / "kept.zip").stat().st_mode) == 0o600
    assert list(home.state.glob(".bridge-mcp-*")) == []
    with zipfile.ZipFile(home.work / "kept.zip") as archive:
        names = archive.namelist()
    assert f"files/{PICTURE}" in names

    config = configured(home.work, "", monkeypatch)
    manifest, rested = await anyio.to_thread.run_sync(restored, config, home.work / "kept.zip", False)
    assert (manifest.conversations, rested.unknown, rested.uncertain) == (5, 1, 3)
    kept = await opening.open_store(config.store.url, clock=ManualClock(3000.0))
    await check_at_rest(kept)
    busy = len(await kept.log.load("desk/busy"))
    assert 3 <= busy <= written + 1
    await kept.close()
    assert await FileFolder(config.files_path).read(f"kept:{PICTURE}") == b"a picture"

    told = run(home, store_database.tcp_url, "restore", "kept.zip")
    assert "3 messages on its way: `uncertain`" in told
    assert store_database.server.password not in told
    there = await opening.open_store(store_database.tcp_url, clock=ManualClock(3000.0))
    await check_at_rest(there)
    assert len(await there.log.load("desk/busy")) >= busy
    await there.log.record("tg/1", heard("it goes on", key="new"))
    assert DatabaseFiles(store_database.tcp_url).get(PICTURE) == b"a picture"
    held = await there.restoring.let_in()
    assert [each.name for each in held.clients] == ["nova"]
    assert await there.clients.by_token("0" * 64) is not None
    assert [each.subject for each in await there.access.pairings("tg")] == ["1"]
    await there.close()


@pytest.mark.shows("keep.postgres", "keep.restore-alone")
async def test_no_database_is_overwritten_or_filled_while_somebody_is_there(
    home: Home, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(home.work, database.tcp_url, monkeypatch)
    (folder := home.root / "none").mkdir()
    with pytest.raises(BadInput, match="There is no store at"):
        copied(config, folder, silent)
    await fill(database.tcp_url)
    run(home, database.tcp_url, "backup", "kept.zip")
    archive = home.work / "kept.zip"
    with pytest.raises(BadInput, match=r"is not empty \(conversations: 4\)") as raised:
        await anyio.to_thread.run_sync(restored_into_database, config, archive, False)
    assert "createdb" in raised.value.fix
    with pytest.raises(BadInput, match="overwrites no database"):
        restored_into_database(config, archive, True)
    empty = database.server.create()
    try:
        config = configured(home.work, empty.tcp_url, monkeypatch)
        with psycopg.connect(empty.tcp_url), pytest.raises(StoreError, match="is in use by 1 other"):
            await anyio.to_thread.run_sync(restored_into_database, config, archive, False)
        faced = await opening.open_store(empty.tcp_url, clock=ManualClock(2000.0))
        await faced.secrets.get_or_create("handles")
        await faced.close()
        await anyio.to_thread.run_sync(restored_into_database, config, archive, False)
    finally:
        empty.drop()


KILLED_AT = """
import os, signal, sys
from bridge_mcp.stores.moving import move
stage = sys.argv.pop(1)
def watched(self, *given, real=move.Move.__init__, **named):
    heard = named["progress"]
    def progress(at, done, of):
        if at == stage and done:
            os.kill(os.getpid(), signal.SIGKILL)
        heard(at, done, of)
    real(self, *given, **(named | {"progress": progress}))
move.Move.__init__ = watched
from bridge_mcp.cli import main
sys.exit(main(sys.argv[1:]))
"""


def killed_at(home: Home, url: str, stage: str, *arguments: str) -> None:
    """A command that is killed once this part of the copy has begun."""
    home.write('[store]\nurl_env = "DB"\n')
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT, stage, *arguments], env=home.environment(DB=url), cwd=home.work,
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.shows("keep.postgres", "keep.restore-crash")
async def test_a_kill_in_the_middle_leaves_nothing_that_opens_as_a_store(home: Home, database: Database) -> None:
    await fill(database.tcp_url)
    killed_at(home, database.tcp_url, "log", "backup", "kept.zip")
    assert list(home.work.iterdir()) == []
    (left,) = home.state.glob(".bridge-mcp-*.part")
    assert stat.S_IMODE(left.stat().st_mode) == 0o700
    assert not (left / "store.db").exists(), "it has another name until it is whole"
    os.utime(left, (time.time() - 100, time.time() - 100))
    run(home, database.tcp_url, "backup", "kept.zip")
    assert not left.exists(), "the next one clears up"
    empty = database.server.create()
    try:
        killed_at(home, empty.tcp_url, "check", "restore", "kept.zip")
        with pytest.raises(StoreError, match="not finished"):
            await postgres.open_store(empty.tcp_url, clock=ManualClock(3000.0))
        run(home, empty.tcp_url, "restore", "kept.zip")
        store = await postgres.open_store(empty.tcp_url, clock=ManualClock(3000.0))
        await check_at_rest(store)
        await store.close()
    finally:
        empty.drop()


@pytest.mark.shows("keep.postgres", "keep.restore-refuses")
async def test_what_fails_on_its_way_into_a_database_leaves_it_empty(
    home: Home, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup that says the same as its hashes do, with a value that has no place in a column of Postgres'."""
    await fill(database.tcp_url)
    run(home, database.tcp_url, "backup", "kept.zip")
    odd = home.work / "store.db"
    with zipfile.ZipFile(home.work / "kept.zip") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    odd.write_bytes(members["store.db"])
    with sqlite3.connect(odd) as connection:
        connection.execute("INSERT INTO consumers (name, cursor) VALUES ('ann', 'no number')")
    connection.close()
    members["store.db"] = odd.read_bytes()
    manifest = json.loads(members["manifest.json"])
    manifest |= {
        "store_bytes": len(members["store.db"]),
        "store_sha256": hashlib.sha256(members["store.db"]).hexdigest(),
    }
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(home.work / "odd.zip", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    empty = database.server.create()
    try:
        config = configured(home.work, empty.tcp_url, monkeypatch)
        with pytest.raises((BadInput, StoreError)):
            await anyio.to_thread.run_sync(restored_into_database, config, home.work / "odd.zip", False)
        with empty.connect() as connection:
            assert connection.execute("SELECT count(*) FROM log").fetchone() == (0,)
        await anyio.to_thread.run_sync(restored_into_database, config, home.work / "kept.zip", False)
    finally:
        empty.drop()
