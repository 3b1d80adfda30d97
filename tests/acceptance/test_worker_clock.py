"""Workers on machines whose clocks are off, as processes: what is to happen at a time happens at that time."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import anyio
import anyio.to_thread
import pytest

from bridge_mcp.assembly import open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.core.grants import Grant
from bridge_mcp.service import OWNER
from tests.acceptance.parts import Home
from tests.acceptance.test_serving import running, until
from tests.servers.launch import ROOT
from tests.servers.postgres import Database

OFF = (sys.executable, "-m", "tests.acceptance.other_clock")
OFF_S = 600


@pytest.mark.shows("workers.clock")
async def test_a_worker_ten_minutes_off_changes_no_time_that_is_set(home: Home, database: Database) -> None:
    """Though it is the one that watches whether the clock was set."""
    home.scripted()
    home.write('[store]\nurl_env = "STORE_URL"\n' + home.config.read_text("utf-8"))
    env = {"STORE_URL": database.tcp_url}
    config = load_config(env=home.environment(**env), cwd=home.work)
    async with open_bridge(config) as assembly:
        bridge, store = assembly.bridge, assembly.store
        at = datetime.now(UTC) + timedelta(hours=1)
        await bridge.send_message(OWNER, "desk/later", "not yet", send_at=at.isoformat())
        await store.grants.add(Grant(0, "files__*", expires_at=at.timestamp(), by="owner"))
        with running(home, "worker", command=(*OFF, str(OFF_S)), PYTHONPATH=str(ROOT), **env) as worker:
            await anyio.to_thread.run_sync(until, worker.stderr, "holds bridge now")
            assert (await bridge.run_turn(OWNER, "desk/main", "hello", wait_s=20)).text == "echo: hello"
            await anyio.sleep(1.5)  # it looks at the clock once a second
            (grant,) = await store.grants.active(0.0)
            assert grant.expires_at == pytest.approx(at.timestamp(), abs=1.0)
            (message,) = await bridge.scheduled_messages(OWNER)
            assert message.send_at == pytest.approx(at.timestamp(), abs=1.0)
