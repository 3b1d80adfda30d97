"""Gates and hooks on a store on Postgres: people are asked by a worker, and each process runs what it asked for."""

from __future__ import annotations

import subprocess
import sys

import anyio
import anyio.to_thread
import pytest

from bridge_mcp.assembly import open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.core.entries import Finished
from bridge_mcp.core.projections import Approval
from bridge_mcp.service import OWNER, Bridge
from tests.acceptance.parts import WAIT_S, Home
from tests.acceptance.test_gate import gate
from tests.acceptance.test_hooks import CONFIG, Hook
from tests.acceptance.test_serving import running, until
from tests.cases.hook_inputs import hook_input
from tests.servers.postgres import Database


async def waiting(bridge: Bridge, count: int) -> dict[str, Approval]:
    """The calls that wait, by who asked, once they are so many."""
    with anyio.fail_after(WAIT_S * 2):
        while len(found := await bridge.list_approvals(OWNER, status="waiting")) < count:
            await bridge.wait_for_events(OWNER, after=await bridge.store.feed.head(), timeout_s=0.5)
    return {each.requested_by.partition(":")[0]: each for each in found}


async def ended(bridge: Bridge, conversation: str) -> str:
    """The outcome of a call, once it has one."""
    with anyio.fail_after(WAIT_S):
        while True:
            log = await bridge.store.log.load(conversation)
            if found := [each.entry.outcome for each in log if isinstance(each.entry, Finished)]:
                return found[0]
            await anyio.sleep(0.05)


@pytest.mark.shows("store.doors-on-postgres")
async def test_hooks_and_gates_ask_through_a_worker(home: Home, database: Database) -> None:
    place = home.config.with_name("store.url")
    place.write_text(database.tcp_url)
    place.chmod(0o600)
    home.write('[store]\nurl_file = "store.url"\n' + CONFIG)
    with running(home, "worker") as worker, gate(home) as host:
        await anyio.to_thread.run_sync(until, worker.stderr, "This worker is up")
        hook = Hook(home, "claude-code", hook_input("claude-code", "asks"))
        number = host.call("act", path="a")
        async with open_bridge(load_config(env=home.environment(), cwd=home.work)) as assembly:
            bridge = assembly.bridge
            asked = await waiting(bridge, 2)
            for each in asked.values():
                await bridge.approve_call(OWNER, each.id, digest=each.digest)
            answer = await anyio.to_thread.run_sync(hook.answer)
            assert answer["hookSpecificOutput"]["decision"] == {"behavior": "allow"}
            while (told := await anyio.to_thread.run_sync(host.hear)).get("id") != number:
                pass
            assert told["result"]["content"] == [{"type": "text", "text": 'run 1: {"path": "a"}'}]
            assert await ended(bridge, asked["gate"].conversation) == "ok"
            after = Hook(home, "claude-code", hook_input("claude-code", "done"))
            assert await anyio.to_thread.run_sync(after.answer) is None
            assert await ended(bridge, asked["hook"].conversation) == "ok"


@pytest.mark.shows("cli.hook-light")
def test_a_hook_after_a_call_that_concerns_nobody_loads_no_bridge(home: Home, store_database: Database) -> None:
    home.write('[store]\nurl_env = "STORE"\n' + CONFIG)
    script = (
        "import sys; from bridge_mcp.cli import main; code = main(['hook', 'claude-code']);"
        "print(code, [n for n in ('anyio', 'pydantic', 'bridge_mcp.ports') if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=hook_input("claude-code", "done"), capture_output=True, text=True,
        timeout=WAIT_S, cwd=home.work, env=home.environment(STORE=store_database.tcp_url), check=False,
    )  # fmt: skip
    assert done.stderr == "0 []\n"
