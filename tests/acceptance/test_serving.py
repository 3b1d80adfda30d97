"""`serve`: the bridge that stays up, with and without MCP over HTTP; and `events --follow` beside it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import anyio
import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.acceptance.parts import COMMAND, Home

TOKEN = "planted-supervisor-token"
HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream",
           "mcp-protocol-version": "2025-06-18"}  # fmt: skip
CLIENTS = """
[clients.supervisor]
token_env = "SUPERVISOR_TOKEN"
scopes = ["read", "approve"]
[clients.worker]
token_env = "WORKER_TOKEN"
scopes = ["read", "send"]
"""


@contextmanager
def running(
    home: Home, *arguments: str, command: Sequence[str] = (COMMAND,), **env: str
) -> Generator[subprocess.Popen[str]]:
    """A command that stays up."""
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        cwd=home.work, env=home.environment(**env),
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def until(lines: IO[str] | None, pattern: str) -> re.Match[str]:
    """The first line that matches; the end of the output is a failure."""
    assert lines is not None
    seen: list[str] = []
    for line in lines:
        seen.append(line)
        if found := re.search(pattern, line):
            return found
    raise AssertionError(f"no {pattern!r} in {seen}")


async def test_clients_come_by_token_over_http(home: Home) -> None:
    home.scripted(CLIENTS)
    env = {"SUPERVISOR_TOKEN": TOKEN, "WORKER_TOKEN": "planted-worker-token"}
    with running(home, "serve", "--http", "127.0.0.1:0", "--log-level", "debug", **env) as process:
        url = until(process.stderr, r"http://127\.0\.0\.1:\d+/mcp")[0]
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
            async with Client(streamable_http_client(url, http_client=http)) as client:
                tools = {tool.name for tool in (await client.list_tools()).tools}
                assert "approve_call" in tools
                assert "send_message" not in tools
                # HTTP may be ready a moment before this process has become the engine.
                status: dict[str, Any] = {}
                with anyio.fail_after(15):
                    while status.get("role") != "engine":
                        status = (await client.call_tool("get_status", {})).structured_content or {}
                assert status["engine_pid"] == process.pid
        async with httpx2.AsyncClient() as stranger:
            assert (await stranger.post(url, json={})).status_code == 401
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        assert process.stderr is not None
        assert "planted" not in process.stderr.read()


async def ends_unanswered(http: httpx2.AsyncClient, url: str, body: dict[str, Any]) -> None:
    """A request that was under way when its client was revoked."""
    answer = await http.post(url, json=body, headers=HEADERS)
    assert "structuredContent" not in answer.text


@pytest.mark.shows("http.while-serving")
async def test_a_client_comes_and_goes_while_it_serves(home: Home) -> None:
    """By the command line alone, in processes of their own: let in at once, and out at once."""
    home.scripted(CLIENTS)

    def owner(*arguments: str, code: int = 0) -> str:
        return home.run("clients", *arguments, code=code, SUPERVISOR_TOKEN=TOKEN, WORKER_TOKEN="planted-worker-token")

    tokens = {"SUPERVISOR_TOKEN": TOKEN, "WORKER_TOKEN": "planted-worker-token"}
    with running(home, "serve", "--http", "127.0.0.1:0", **tokens) as process:
        url = until(process.stderr, r"http://127\.0\.0\.1:\d+/mcp")[0]
        made = json.loads(owner("add", "late", "--scopes", "read", "--json"))
        token = made["token"]
        assert "late" in owner("list")
        assert token not in owner("list", "--json")
        assert "late" in owner("add", "late", code=1)
        async with httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=30) as http:
            async with Client(streamable_http_client(url, http_client=http)) as client:
                names = {tool.name for tool in (await client.list_tools()).tools}
                assert "get_status" in names
                assert "send_message" not in names
            wait: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                    "params": {"name": "wait_for_events", "arguments": {"timeout_s": 50}}}  # fmt: skip
            with anyio.fail_after(30):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(ends_unanswered, http, url, wait)
                    await anyio.to_thread.run_sync(owner, "revoke", "late")
            assert (await http.post(url, json=wait, headers=HEADERS)).status_code == 401
        for wrong in ("", "Bearer", f"Bearer {token}x", f"Basic {TOKEN}"):
            async with httpx2.AsyncClient(headers={"authorization": wrong} if wrong else {}) as http:
                assert (await http.post(url, json=wait, headers=HEADERS)).status_code == 401
        assert "no client 'late'" in owner("revoke", "late", code=1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


@pytest.mark.shows("http.tokens")
async def test_this_machine_may_come_without_a_token_where_the_owner_says_so(home: Home) -> None:
    home.scripted()
    with running(home, "serve", "--http", "127.0.0.1:0", "--insecure-loopback") as process:
        url = until(process.stderr, r"http://127\.0\.0\.1:\d+/mcp")[0]
        async with Client(url) as client:
            said = {"conversation": "desk/main", "text": "hello", "wait_s": 20}
            ticket = (await client.call_tool("run_turn", said)).structured_content
            assert ticket is not None
            assert ticket["text"] == "echo: hello"
    for told in ("127.0.0.1:99999", "here"):
        assert "HOST:PORT" in home.run("serve", "--http", told, code=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_alone_is_an_engine_and_events_can_be_followed(home: Home, number: signal.Signals) -> None:
    home.scripted()
    with running(home, "serve") as server, running(home, "events", "--follow", "--after", "0", "--json") as following:
        until(server.stderr, "this process is the engine now")
        home.run("say", "desk/main", "hello", "--name", "Ann")
        heard = json.loads(until(following.stdout, "message.received").string)
        assert heard["body"]["text"] == "hello"
        finished = json.loads(until(following.stdout, "turn.finished").string)
        assert finished["body"]["text"] == "echo: hello"
        assert home.json("status")["engine_pid"] == server.pid
        server.send_signal(number)
        assert server.wait(15) == 0
        following.send_signal(signal.SIGINT)
        assert following.wait(15) == 130
    assert home.json("status")["engine_pid"] is None
