"""A tool server that keeps state, with `run = "one"`: two workers as processes, and one of them runs it for both."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial

import anyio
import pytest

from bridge_mcp.assembly import open_bridge
from bridge_mcp.cli.workers_shown import worker_line
from bridge_mcp.config import load_config
from bridge_mcp.core.entries import Finished, Replied
from bridge_mcp.service import OWNER, Bridge
from bridge_mcp.stores.postgres.migrate import newest
from tests.acceptance.parts import WAIT_S, Home
from tests.acceptance.test_serving import running, until
from tests.servers.launch import ROOT, eventually, lines_of
from tests.servers.postgres import Database

CONFIG = """
[store]
url_env = "STORE_URL"
[models.default]
model = "scripted"
script = "rules.toml"
[channels.desk]
type = "local"
[tool_servers.notes]
command = {python}
args = ["-m", "tests.servers.workbench", "--effects", {effects}]
cwd = {root}
run = "one"
confirmation = "never"
"""
RULES = """
[[rule]]
when = "^who"
call = [{ tool = "notes__process_id", arguments = {} }]
[[rule]]
when = "^hang"
call = [{ tool = "notes__hang", arguments = {} }]
[[rule]]
on = "result"
say = "{text}"
[default]
say = "echo: {text}"
"""


async def holder(bridge: Bridge, *, other_than: int = 0) -> int:
    """The process that runs the server, as the status tells."""
    with anyio.fail_after(WAIT_S):
        while True:
            workers = (await bridge.get_status(OWNER)).workers
            if found := [each.pid for each in workers if "server:notes" in each.holds and each.pid != other_than]:
                return found[0]
            await anyio.sleep(0.1)


async def who(bridge: Bridge, conversation: str) -> str:
    """The process of the server that a turn's call has reached."""
    ticket = await bridge.run_turn(OWNER, conversation, "who are you", wait_s=WAIT_S)
    assert re.fullmatch(r"\d+", ticket.text), ticket
    return ticket.text


async def until_called(bridge: Bridge, conversation: str) -> None:
    """Until a model has asked for the call."""
    with anyio.fail_after(WAIT_S):
        while not any(isinstance(e.entry, Replied) for e in await bridge.store.log.load(conversation)):  # noqa: ASYNC110
            await anyio.sleep(0.05)  # what other processes do is no event here


@pytest.mark.shows("workers.one-tool-server")
@pytest.mark.slow
async def test_a_tool_server_that_keeps_state_is_run_by_one_worker_for_all(home: Home, database: Database) -> None:
    effects, env = home.work / "effects", {"STORE_URL": database.tcp_url}
    given = {"python": sys.executable, "effects": str(effects), "root": str(ROOT)}
    home.write(CONFIG.format(**{name: json.dumps(value) for name, value in given.items()}))
    (home.config.parent / "rules.toml").write_text(RULES, "utf-8")
    with ExitStack() as stack:
        made = [stack.enter_context(running(home, "worker", "--concurrency", "1", **env)) for _ in range(2)]
        workers: dict[int, subprocess.Popen[str]] = {each.pid: each for each in made}
        for each in made:
            await anyio.to_thread.run_sync(until, each.stderr, "This worker is up")
        async with open_bridge(load_config(env=home.environment(**env), cwd=home.work)) as assembly:
            bridge = assembly.bridge
            first = await who(bridge, "desk/1")
            one = await holder(bridge)
            for each in (await bridge.get_status(OWNER)).workers:
                assert f"schema version {newest()}, clock {each.clock_off_s:+.1f} s" in worker_line(each)
                assert abs(each.clock_off_s) < 1.0, "its clock is that of the database's machine"
            await anyio.to_thread.run_sync(leases_outlast_a_slow_list_of_workers, database)
            # While that worker has its hands full, the other one comes as far as the call.
            await bridge.run_turn(OWNER, "desk/2", "hang")
            await eventually(lambda: lines_of(effects) == ["hang"])
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(told, bridge, first))
                await until_called(bridge, "desk/3")
                await bridge.run_command(OWNER, "desk/2", "/stop")
            assert lines_of(effects) == ["hang", "cancelled"]
            # It is killed in the middle of a call: the other one starts the server, and no call is made again.
            hung = await bridge.run_turn(OWNER, "desk/4", "hang")
            await eventually(lambda: lines_of(effects) == ["hang", "cancelled", "hang"])
            workers[one].kill()
            assert await who(bridge, "desk/5") != first
            assert await holder(bridge, other_than=one) in workers
            await bridge.wait_for(OWNER, hung.id, timeout_s=WAIT_S)
            outcomes = [each.entry for each in await bridge.store.log.load("desk/4")]
            assert [each.outcome for each in outcomes if isinstance(each, Finished)] == ["unknown"]
            assert lines_of(effects).count("hang") == 2


def leases_outlast_a_slow_list_of_workers(database: Database) -> None:
    """All workers say one after the other that they live; one that waits for that too long loses nothing by it."""
    with database.connect() as connection, database.connect() as looking:
        connection.execute("SELECT pg_advisory_lock(bridge_lease_key('workers'))")
        leases = "SELECT name, fence FROM leases ORDER BY name"
        waits = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        held, late = looking.execute(leases).fetchall(), set[int]()
        deadline = time.monotonic() + WAIT_S
        while len(late) < 3:  # one of the two has given up, and comes anew
            late |= {pid for (pid,) in looking.execute(waits)}
            assert time.monotonic() < deadline
            time.sleep(0.05)
        connection.execute("SELECT pg_advisory_unlock_all()")
        assert looking.execute(leases).fetchall() == held


async def told(bridge: Bridge, process: str) -> None:
    assert await who(bridge, "desk/3") == process
