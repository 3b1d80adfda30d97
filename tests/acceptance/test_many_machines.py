"""Two workers and two faces on one Postgres, as processes: one bridge behind one address."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.acceptance.parts import Home
from tests.acceptance.test_serving import running, until
from tests.integration.face_clients import ERAS, MODES
from tests.servers.postgres import Database
from tests.servers.round_robin import behind_one_address

TOKEN = "planted-supervisor-token"
CLIENTS = """
[clients.supervisor]
token_env = "SUPERVISOR_TOKEN"
scopes = ["read", "send", "approve", "tools"]
"""
STORE = '[store]\nurl_env = "STORE_URL"\n'
WAIT_S = 30.0


class Bridge:
    """The processes of one bridge."""

    def __init__(self, home: Home, database: Database) -> None:
        home.scripted(CLIENTS)
        home.write(STORE + home.config.read_text("utf-8"))
        self.home = home
        self.env = {"STORE_URL": database.tcp_url, "SUPERVISOR_TOKEN": TOKEN}
        self.stack = ExitStack()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return self.stack.enter_context(running(self.home, *arguments, **self.env))

    def face(self) -> str:
        process = self.start("serve", "--http", "127.0.0.1:0")
        return until(process.stderr, r"http://127\.0\.0\.1:\d+/mcp")[0]

    def run(self, *arguments: str, code: int = 0) -> str:
        return self.home.run(*arguments, code=code, **self.env)

    def until_there_are(self, workers: int) -> None:
        """Wait for so many workers."""
        until = time.monotonic() + WAIT_S
        while len(self.json("status")["workers"]) < workers:
            assert time.monotonic() < until
            time.sleep(0.1)

    def json(self, *arguments: str) -> Any:
        return self.home.json(*arguments, code=0, **self.env)


@pytest.fixture
def bridge(home: Home, database: Database) -> Generator[Bridge]:
    made = Bridge(home, database)
    with made.stack:
        yield made


@asynccontextmanager
async def connected(era: str, address: str, token: str = TOKEN) -> AsyncGenerator[Client]:
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=WAIT_S) as http:
        async with Client(streamable_http_client(address, http_client=http), mode=MODES[era]) as client:
            yield client


async def called(client: Client, tool: str, /, **arguments: Any) -> dict[str, Any]:
    with anyio.fail_after(WAIT_S):
        result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    return result.structured_content or {}


async def until_it_runs(client: Client) -> dict[str, Any]:
    """The status once a face has seen that a worker drives: each looks at them once a second."""
    with anyio.fail_after(WAIT_S):
        while (status := await called(client, "get_status"))["engine"] != "running":  # noqa: ASYNC110
            await anyio.sleep(0.1)  # other processes' news are no event here
    return status


@pytest.mark.shows("http.replicas", "store.many-machines")
async def test_a_client_of_either_era_is_served_by_faces_while_workers_come_and_go(bridge: Bridge) -> None:
    said = bridge.run("serve", code=1)
    assert "bridge-mcp worker" in said
    first = bridge.start("worker", "--concurrency", "2")
    async with behind_one_address(bridge.face(), bridge.face()) as address:
        bridge.start("worker", "--concurrency", "2")
        for number, era in enumerate(ERAS):
            async with connected(era, address) as client:
                turn = await called(client, "run_turn", conversation=f"desk/{era}", text="hello", wait_s=20)
                assert (turn["state"], turn["text"]) == ("done", "echo: hello")
                sent = [
                    (await called(client, "send_message", conversation="desk/main", text="once", idempotency_key="k"))
                    for _ in range(2)
                ]
                assert sent[0]["message"] == sent[1]["message"]
                status = await until_it_runs(client)
                assert (status["role"], status["engine"]) == ("face", "running")
                page = await called(client, "wait_for_events", after=0, timeout_s=5)
                assert page["events"]
            if not number:
                await anyio.to_thread.run_sync(bridge.until_there_are, 2)
                first.send_signal(signal.SIGKILL)
                first.wait(15)
    told = bridge.home.done("status", **bridge.env)
    assert TOKEN not in told.stdout
    assert bridge.env["STORE_URL"].split(":")[2].split("@")[0] not in told.stdout + told.stderr
    assert "x.zip" in bridge.run("backup", "x.zip")
    assert json.loads(bridge.run("status", "--json"))["queue"]["waiting"] == 0
    bridge.run("log", "desk/main", "--verify")
