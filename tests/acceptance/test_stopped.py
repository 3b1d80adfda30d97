"""Processes that are stopped, and state folders that are taken away, over real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from bridge_mcp.assembly import open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.core.errors import StoreError, StoreLost
from bridge_mcp.engine_lock import PulseFile, Seal, engine_lives, make_lock, owner_of
from bridge_mcp.service import OWNER
from bridge_mcp.stores.sqlite import open_store
from tests.acceptance.parts import WAIT_S, Home
from tests.acceptance.test_embedding import opened
from tests.integration.setup import WallClock

WRITER = """
import sys, time
from pathlib import Path
from bridge_mcp.stores.sqlite.guard import Holder
import sqlite3
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
Holder(Path(sys.argv[1])).note()
print("writing", flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def process(script: str, *arguments: str) -> Generator[subprocess.Popen[str]]:
    """Another process, which has said its first line."""
    child = subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline()
        yield child
    finally:
        child.send_signal(signal.SIGCONT)
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells that a process is stopped")
async def test_a_process_that_is_stopped_in_a_write_is_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    store = await open_store(path, clock=WallClock())
    with process(WRITER, str(path)) as other:
        other.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(StoreError, match=rf"process {other.pid} is stopped .*kill -CONT {other.pid}"):
            await store.status.put("written", 1)
        assert time.monotonic() - began < 15
    await store.status.put("written", 2)
    await store.close()


async def test_who_waits_for_long_can_say_for_whom(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    store = await open_store(path, clock=WallClock())
    with process(WRITER, str(path)) as other:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.status.put, "written", 1)
            with anyio.fail_after(WAIT_S):
                while not store.health().held:  # noqa: ASYNC110
                    await anyio.sleep(0.05)
            assert f"process {other.pid}" in store.health().held
            other.kill()
    assert store.health().held == ""
    await store.close()


@pytest.mark.parametrize("how", ["removed", "replaced", "emptied"])
async def test_a_store_that_was_taken_away_is_an_error_at_once(tmp_path: Path, how: str) -> None:
    path = tmp_path / "state" / "bridge.db"
    store = await open_store(path, clock=WallClock())
    await store.status.put("written", 1)
    if how == "emptied":
        os.truncate(path, 0)
    else:
        (tmp_path / "state").rename(tmp_path / "away")
    if how == "replaced":
        await (await open_store(path, clock=WallClock())).close()
    with pytest.raises(StoreLost, match="while it was in use"):
        await store.status.put("written", 2)
    await anyio.sleep(0.3)
    with pytest.raises(StoreLost):
        await store.status.get("written")
    await store.close()


async def test_a_store_that_was_migrated_under_a_running_process_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    store = await open_store(path, clock=WallClock())
    with closing(sqlite3.connect(path, isolation_level=None)) as newer:
        newer.execute("PRAGMA user_version = 1000")
    await anyio.sleep(0.3)
    with pytest.raises(StoreLost, match=r"schema version 1000.*Upgrade"):
        await store.status.put("written", 1)
    await anyio.sleep(0.3)
    with pytest.raises(StoreLost):
        await store.status.get("written")
    await store.close()


async def test_two_engines_never_last_where_the_lock_is_removed(home: Home) -> None:
    home.scripted()
    async with opened(home) as assembly:
        await assembly.bridge.run_turn(OWNER, "desk/main", "hello", wait_s=20)
        lock_path = assembly.config.lock_path
        assert lock_path.stat().st_mode & 0o077 == 0
        lock_path.unlink()
        other = make_lock(lock_path)
        assert other.acquire(), "whoever comes now can be the engine"
        try:
            with anyio.fail_after(WAIT_S):
                while assembly.is_engine:  # noqa: ASYNC110
                    await anyio.sleep(0.05)
        finally:
            other.release()
        ticket = await assembly.bridge.run_turn(OWNER, "desk/main", "again", wait_s=30)
        assert ticket.text == "echo: again"


async def test_an_engine_that_gives_no_sign_of_life_is_told_of_in_every_answer(home: Home) -> None:
    """The other process holds the engine's lock and is stopped: its face here says so."""
    home.scripted()
    engine = """
import sys, time, os
from pathlib import Path
from bridge_mcp.engine_lock import make_lock, PulseFile
from bridge_mcp.ports import Pulse
lock = make_lock(Path(sys.argv[1])); assert lock.acquire()
PulseFile(Path(sys.argv[1])).write(Pulse(os.getpid(), time.time() - 100, time.time() - 40))
print("engine", flush=True)
time.sleep(600)
"""
    config = load_config(env=home.environment(), cwd=home.work)
    async with open_bridge(config, engine="never") as assembly:
        with process(engine, str(config.lock_path)) as other:
            ticket = await assembly.bridge.run_turn(OWNER, "desk/main", "hello", wait_s=0)
            assert f"process {other.pid}, has given no sign of life for 4" in ticket.warning
            status = await assembly.bridge.get_status(OWNER)
            assert status.engine == "silent"
            assert any(f"kill -CONT {other.pid}" in each for each in status.warnings)
            assert time.time() - status.engine_seen > 35


def test_an_older_store_is_migrated_by_the_engines_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    held = make_lock(path)
    assert held.acquire()
    with (
        pytest.raises(StoreError, match="older bridge_mcp, and the engine that works with it"),
        owner_of(path, PulseFile(path)),
    ):
        raise AssertionError
    held.release()
    with owner_of(path, PulseFile(path)):
        assert engine_lives(path)
    assert not engine_lives(path)


def test_a_seal_knows_its_file(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    path.touch()
    seal = Seal(path)
    seal.check()
    path.unlink()
    with pytest.raises(Exception, match="steps down"):
        seal.check()
