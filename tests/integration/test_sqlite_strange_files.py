"""Files that are no store, or a broken one: refused or told, never taken for a whole one; and `check` survives them."""

from __future__ import annotations

import logging
import random
import shutil
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from bridge_mcp.cli.check import engine, store
from bridge_mcp.config import load_config
from bridge_mcp.config.values import Config
from bridge_mcp.core.entries import Heard
from bridge_mcp.core.errors import BadInput, StoreError
from bridge_mcp.operations.outgoing_files import outbox_file
from bridge_mcp.stores.sqlite import open_store
from bridge_mcp.stores.sqlite.session import store_error
from tests.integration.setup import ANN, WallClock

LOGGER = "bridge_mcp.stores.sqlite.migrate"


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[None]:
    found = await open_store(path, clock=WallClock())
    yield
    await found.close()


@pytest.mark.shows("store.strange-files")
@pytest.mark.parametrize("version", [0, 1, 7, 1000])
async def test_a_database_of_another_program_is_refused_whatever_its_version(tmp_path: Path, version: int) -> None:
    path = tmp_path / "bridge.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
        other.execute(f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="a database of something else"):
        async with opened(path):
            pass
    assert path.read_bytes() == before


async def test_an_empty_file_begins_anew_and_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "bridge.db"
    path.touch()
    with caplog.at_level(logging.WARNING, LOGGER):
        async with opened(path):
            pass
    assert "is an empty file" in caplog.text


async def test_an_emptied_store_with_its_write_ahead_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    path.touch()
    (tmp_path / "bridge.db-wal").write_bytes(b"x" * 4096)
    with pytest.raises(StoreError, match="it was emptied"):
        async with opened(path):
            pass


@pytest.mark.parametrize(
    "name", ["SQLITE_IOERR_SHMMAP", "SQLITE_IOERR_SHMLOCK", "SQLITE_IOERR_LOCK", "SQLITE_PROTOCOL"]
)
def test_a_folder_without_locks_in_shared_memory_is_told_in_plain_words(name: str) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = name
    told = str(store_error(Path("/somewhere/bridge.db"), error))
    assert "its file system has no locks in shared memory" in told
    assert "local disk: BRIDGE_MCP_STATE_DIR" in told


def test_a_full_disk_is_not_taken_for_one_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite says the same of both: its file of shared memory could not be made."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"

    def nearly_full(folder: Path) -> SimpleNamespace:
        return SimpleNamespace(free=1_000)

    monkeypatch.setattr(shutil, "disk_usage", nearly_full)
    told = str(store_error(tmp_path / "bridge.db", error))
    assert told.endswith("database or disk is full. Free some space on that disk.")


def config_in(folder: Path) -> Config:
    state = folder / "state"
    state.mkdir()
    return load_config(env={"BRIDGE_MCP_STATE_DIR": str(state), "HOME": str(folder)}, cwd=folder)


async def findings(config: Config) -> list[tuple[bool, bool, str]]:
    return [(each.fine, each.warning, each.told) async for each in store(config)]


async def test_check_tells_of_an_empty_file(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    config.store_path.touch()
    assert any(warning and "was an empty file" in told for _, warning, told in await findings(config))
    assert all(not warning for _, warning, _ in await findings(config))


async def test_check_survives_a_damaged_store_and_says_so(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    found = await open_store(config.store_path, clock=WallClock())
    for number in range(300):
        await found.log.record("family/1", Heard(f"hello {number} " * 20, ANN, str(number)))
    await found.close()
    whole = config.store_path.read_bytes()
    assert [fine for fine, _, _ in await findings(config)] == [True]
    chance, told_of = random.Random(3), 0
    for _ in range(12):
        broken = bytearray(whole)
        for _ in range(30):
            at = chance.randrange(0, len(broken) - 64)
            broken[at : at + 64] = chance.randbytes(64)
        config.store_path.write_bytes(broken)
        for beside in config.store_path.parent.glob("bridge.db-*"):
            beside.unlink()
        told_of += not all(fine for fine, _, _ in await findings(config))
    assert told_of >= 10


async def test_check_tells_that_no_engine_runs(tmp_path: Path) -> None:
    assert [each.told for each in engine(config_in(tmp_path))] == ["none runs just now"]


def test_a_file_with_another_name_is_not_sent(tmp_path: Path) -> None:
    outbox, secret = tmp_path / "outbox", tmp_path / "secret.txt"
    outbox.mkdir()
    secret.write_text("a secret")
    (outbox / "link.txt").hardlink_to(secret)
    (outbox / "own.txt").write_text("mine")
    with pytest.raises(BadInput, match="hard link"):
        outbox_file("link.txt", (outbox,))
    assert outbox_file("own.txt", (outbox,)) == (outbox / "own.txt").resolve()
