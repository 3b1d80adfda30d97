"""`bridge-mcp worker` as a process: what it needs, what it waits for, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path
from subprocess import DEVNULL, PIPE

import anyio
import anyio.to_thread
import pytest

from tests.servers.postgres import PostgresServer, free_port

PATIENCE_S = 60.0

CONFIG = """
[channels.local]
type = "local"
responder = "assistant"
[models.default]
model = "scripted"
"""


async def worker(folder: Path, *options: str, url: str = "") -> Process:
    """A worker with a configuration of its own."""
    return await command("worker", folder, *options, url=url)


async def command(name: str, folder: Path, *options: str, url: str = "") -> Process:
    """A command with a configuration of its own."""
    config = folder / "bridge.toml"
    config.write_text(('[store]\nurl_env = "WORKER_DATABASE"\n' if url else "") + CONFIG)
    env = {**os.environ, "BRIDGE_MCP_STATE_DIR": str(folder / "state"), "WORKER_DATABASE": url}
    words = [sys.executable, "-m", "bridge_mcp", name, "--config", str(config), *options]
    return await asyncio.create_subprocess_exec(*words, env=env, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)


async def says(process: Process, words: str) -> str:
    """All that it says until these words."""
    assert process.stderr is not None
    heard = ""
    with anyio.fail_after(PATIENCE_S):
        while words not in heard:
            line = await process.stderr.readline()
            assert line, f"it ended, and said: {heard}"
            heard += line.decode()
    return heard


async def test_a_store_in_a_file_is_the_engines_and_no_workers(tmp_path: Path) -> None:
    process = await worker(tmp_path)
    _, told = await process.communicate()
    assert process.returncode == 1
    assert "Workers share a store on Postgres" in told.decode()
    assert "bridge-mcp serve" in told.decode()


async def test_a_url_that_cannot_be_had_is_no_store_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text('[store]\nurl_file = "store_url"\n')
    command = [sys.executable, "-m", "bridge_mcp", "worker", "--config", str(tmp_path / "bridge.toml")]
    env = {**os.environ, "BRIDGE_MCP_STATE_DIR": str(tmp_path / "state")}
    process = await asyncio.create_subprocess_exec(*command, env=env, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
    _, told = await process.communicate()
    assert process.returncode == 1
    assert f"The store cannot be found: {tmp_path / 'store_url'} cannot be read" in told.decode()
    assert "in a file" not in told.decode()


async def test_a_channel_that_it_shall_hold_has_to_be_there(tmp_path: Path, own_postgres: PostgresServer) -> None:
    database = own_postgres.served.create()
    process = await worker(tmp_path, "--channels", "famly", url=database.tcp_url)
    _, told = await process.communicate()
    assert process.returncode == 1
    assert "there is no channel 'famly'" in told.decode()
    assert "There are: local." in told.decode()


async def test_channels_that_are_named_by_nothing_are_a_mistake(tmp_path: Path) -> None:
    """As by a variable that is not set: a worker would hold none without a word."""
    process = await worker(tmp_path, "--channels", "", url=f"postgresql://bridge@127.0.0.1:{free_port()}/x")
    _, told = await process.communicate()
    assert process.returncode == 1
    assert "--channels names none" in told.decode()


async def test_a_face_that_waits_for_postgres_says_so(tmp_path: Path) -> None:
    url = f"postgresql://bridge@127.0.0.1:{free_port()}/x"
    process = await command("serve", tmp_path, "--http", "127.0.0.1:0", url=url)
    assert "It is tried for 30 s" in await says(process, "cannot be reached")
    process.kill()
    await process.wait()


async def test_where_nobody_works_the_status_says_what_to_start(tmp_path: Path, own_postgres: PostgresServer) -> None:
    url = own_postgres.served.create().tcp_url
    process = await command("status", tmp_path, url=url)
    assert process.stdout is not None
    told = await process.stdout.read()
    assert await process.wait() == 0
    assert "Start one with: bridge-mcp worker" in told.decode()


@pytest.mark.shows("workers.graceful-stop")
async def test_a_postgres_that_is_away_at_the_start_is_waited_for_and_a_signal_ends_it(
    tmp_path: Path, own_postgres: PostgresServer
) -> None:
    database = own_postgres.served.create()
    own_postgres.stop()
    process = await worker(tmp_path, url=database.tcp_url)
    told = await says(process, "Waiting for Postgres")
    assert own_postgres.served.password not in told
    await anyio.to_thread.run_sync(own_postgres.start)
    await says(process, "This worker is up")
    process.send_signal(signal.SIGTERM)
    await says(process, "This worker has ended: nothing was left in the middle.")
    with anyio.fail_after(PATIENCE_S):
        assert await process.wait() == 0


@pytest.mark.shows("workers.graceful-stop")
async def test_one_that_waits_for_postgres_ends_when_it_is_told_to(tmp_path: Path) -> None:
    process = await worker(tmp_path, url=f"postgresql://bridge@127.0.0.1:{free_port()}/x")
    await says(process, "Waiting for Postgres")
    process.send_signal(signal.SIGTERM)
    await says(process, "This worker has ended: nothing was left in the middle.")
    with anyio.fail_after(PATIENCE_S):
        assert await process.wait() == 0
