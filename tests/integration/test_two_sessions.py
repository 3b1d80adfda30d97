"""Two sessions of one client at once: what one takes back is its own, over HTTP in both eras and over pipes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.server.lowlevel import Server
from mcp.shared.memory import create_client_server_memory_streams

from bridge_mcp.core.policy import SCOPES, Principal
from bridge_mcp.server.app import always, build_server
from tests.integration.face_child import ALL, running
from tests.integration.face_clients import ERAS, MODES, WAIT_S, answer, over_http, served_http
from tests.integration.test_face_http import HEADERS, HELLO

SAME_ID = 7
"""Both sessions number their requests from 1 on, as every client does."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served_http(tmp_path_factory.mktemp("state")) as address:
        yield address


def asking(there: str) -> dict[str, Any]:
    arguments = {"conversation": there, "text": "think", "wait_s": 50}
    return {
        "jsonrpc": "2.0",
        "id": SAME_ID,
        "method": "tools/call",
        "params": {"name": "run_turn", "arguments": arguments},
    }


def taking_back(request: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request}}


async def ticket_in(client: Client, there: str) -> str:
    """The ticket of the turn that was begun there."""
    async with asyncio.timeout(WAIT_S):
        while not (said := (await answer(client, "read_messages", conversation=there))["messages"]):
            pass
    return f"turn:{said[0]['id']}"


async def stands(client: Client, ticket: str, wait_s: float = 0) -> tuple[str, str]:
    found = await answer(client, "wait_for", ticket=ticket, timeout_s=wait_s)
    return found["state"], found["outcome"]


class Session:
    """A handshake-era session, request by request."""

    def __init__(self, http: httpx2.AsyncClient, address: str) -> None:
        self._http, self._address = http, address

    async def post(self, body: dict[str, Any]) -> httpx2.Response:
        return await self._http.post(self._address, content=json.dumps(body))


@asynccontextmanager
async def handshaken(address: str) -> AsyncGenerator[Session]:
    headers = HEADERS | {"authorization": f"Bearer {ALL}"}
    async with httpx2.AsyncClient(headers=headers, timeout=WAIT_S) as http:
        session = Session(http, address)
        opened = await session.post(HELLO)
        http.headers["mcp-session-id"] = opened.headers.get("mcp-session-id", "")
        await session.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        yield session


@pytest.mark.shows("tools.cancelling")
async def test_a_session_takes_back_its_own_turn_and_no_other_of_its_client(address: str) -> None:
    async with over_http("2026-07-28", address, ALL) as looks:
        async with handshaken(address) as one, handshaken(address) as other, asyncio.TaskGroup() as tasks:
            tasks.create_task(one.post(asking("local/one")))
            tasks.create_task(other.post(asking("local/other")))
            kept, taken = await ticket_in(looks, "local/one"), await ticket_in(looks, "local/other")
            assert (await other.post(taking_back(SAME_ID))).status_code == 202
            assert await stands(looks, taken, WAIT_S) == ("done", "cancelled")
            for request in (SAME_ID, str(SAME_ID), 8, "x"):
                await other.post(taking_back(request))
            assert await stands(looks, kept) == ("open", "")
            await one.post(taking_back(SAME_ID))
            assert await stands(looks, kept, WAIT_S) == ("done", "cancelled")


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_hangs_up_leaves_the_other_session_alone(address: str, era: str) -> None:
    one, other = f"local/keeps-{era}", f"local/leaves-{era}"
    async with over_http(era, address, ALL) as keeps, over_http(era, address, ALL) as leaves:
        waits = asyncio.create_task(keeps.call_tool("run_turn", {"conversation": one, "text": "think", "wait_s": 50}))
        kept = await ticket_in(keeps, one)
        going = asyncio.create_task(leaves.call_tool("run_turn", {"conversation": other, "text": "think"}))
        taken = await ticket_in(keeps, other)
        going.cancel()
        assert await stands(keeps, taken, WAIT_S) == ("done", "cancelled")
        assert await stands(keeps, kept) == ("open", "")
        waits.cancel()
        assert await stands(keeps, kept, WAIT_S) == ("done", "cancelled")


@asynccontextmanager
async def piped(era: str, server: Server[Any]) -> AsyncGenerator[Client]:
    """A client on a pipe of its own, to a server that may have many."""

    @asynccontextmanager
    async def pipe() -> AsyncGenerator[Any]:
        async with create_client_server_memory_streams() as (ours, (reads, writes)):
            serving = asyncio.create_task(server.run(reads, writes, server.create_initialization_options()))
            try:
                yield ours
            finally:
                serving.cancel()
                await asyncio.wait([serving])

    async with Client(pipe(), mode=MODES[era]) as client:
        assert client.protocol_version == era
        yield client


@pytest.mark.parametrize("era", ERAS)
async def test_two_pipes_of_one_client_do_not_cancel_each_other(tmp_path: Path, era: str) -> None:
    async with running(tmp_path) as bridge:
        server = build_server(bridge, always(Principal("host", scopes=frozenset(SCOPES))))
        async with piped(era, server) as one, piped(era, server) as other, piped(era, server) as looks:
            ask = {"text": "think", "wait_s": 50}
            waits = asyncio.create_task(one.call_tool("run_turn", {"conversation": "local/one", **ask}))
            kept = await ticket_in(looks, "local/one")
            for request in range(12):
                await other.session.send_notification(taken(request))
            await other.list_tools()  # behind the notifications
            assert await stands(looks, kept) == ("open", "")
            waits.cancel()
            assert await stands(looks, kept, WAIT_S) == ("done", "cancelled")


def taken(request: int) -> types.CancelledNotification:
    return types.CancelledNotification(params=types.CancelledNotificationParams(request_id=request))
