"""What the protocol says in detail: tasks that are taken back, headers that say what is asked about, error codes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError
from pydantic import AnyUrl

from bridge_mcp.core.tools import JSON
from bridge_mcp.service import OWNER
from bridge_mcp.testing import FakeToolbox
from tests.integration.face_child import ALL, CALLER, CLIENTS
from tests.integration.face_clients import ERAS, WAIT_S, answer, over_http
from tests.integration.setup import World, world
from tests.integration.task_client import TaskClient, about, begin, ended, got
from tests.integration.test_face_http import HEADERS
from tests.integration.test_scopes import serving

MODERN = "2026-07-28"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


class Slow:
    """Tools that take for ever, until they are cut off."""

    def __init__(self) -> None:
        self.box = FakeToolbox()
        self.begun, self.cut_off = asyncio.Event(), asyncio.Event()
        self.returns = asyncio.Event()
        schema: JSON = {"type": "object"}

        async def work(arguments: Mapping[str, JSON]) -> str:
            self.begun.set()
            try:
                await self.returns.wait()
            except asyncio.CancelledError:
                self.cut_off.set()
                raise
            return "it ran all the same"

        self.box.tool("slow__look", schema=schema, read_only=True)(work)
        self.box.tool("slow__work", schema=schema)(work)


@asynccontextmanager
async def served(folder: Path, slow: Slow) -> AsyncGenerator[tuple[World, str]]:
    async with world(folder, toolbox=slow.box) as it, serving(it.bridge, clients=CLIENTS) as address:
        yield it, address


@pytest.mark.parametrize("tool", ["slow__look", "slow__work"])
async def test_a_task_that_is_taken_back_while_it_runs_is_cut_off_and_stays_cancelled(
    tmp_path: Path, tool: str
) -> None:
    slow = Slow()
    async with (
        served(tmp_path, slow) as (it, address),
        over_http(MODERN, address, CALLER, extensions=[TaskClient()]) as c,
    ):
        task = await begin(c, "call_tool", {"tool": tool, "arguments": {}, "wait_s": 0.3})
        if tool == "slow__work":
            (waiting,) = await it.approvals(1)
            await it.bridge.approve_call(OWNER, waiting.id, digest=waiting.digest)
        async with asyncio.timeout(WAIT_S):
            await slow.begun.wait()
            assert (await got(c, task.task_id)).status == "working"
            await about(c.session, "cancel", task.task_id)
            assert (await got(c, task.task_id)).status == "cancelled"
            await slow.cut_off.wait()
        done = await ended(c, task.task_id)
        assert (done.status, done.result) == ("cancelled", None)
        await about(c.session, "cancel", task.task_id)  # once more is no error
        assert (await got(c, task.task_id)).status == "cancelled"


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_requests_about_a_task_are_held_to_their_header(tmp_path: Path, method: str) -> None:
    slow = Slow()
    async with (
        served(tmp_path, slow) as (_, address),
        over_http(MODERN, address, CALLER, extensions=[TaskClient()]) as c,
    ):
        task = (await begin(c, "call_tool", {"tool": "slow__look", "arguments": {}, "wait_s": 0.3})).task_id
        meta: dict[str, Any] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {"extensions": {TaskClient.identifier: {}}},
        }
        asked: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method,
                 "params": {"taskId": task, "inputResponses": {}, "_meta": meta}}  # fmt: skip
        own = HEADERS | {"authorization": f"Bearer {CALLER}", "mcp-protocol-version": MODERN, "mcp-method": method}
        async with httpx2.AsyncClient(timeout=WAIT_S) as http:
            for named in ({}, {"mcp-name": "another"}, {"mcp-name": ""}):
                refused = await http.post(address, json=asked, headers=own | named)
                assert (refused.status_code, refused.json()["error"]["code"]) == (400, types.HEADER_MISMATCH)
            assert (await got(c, task)).status == "working"
            taken = await http.post(address, json=asked, headers=own | {"mcp-name": task})
            assert "result" in taken.json()


@pytest.mark.parametrize("era", ERAS)
async def test_a_resource_that_is_not_there_is_told_by_its_code_and_its_address(tmp_path: Path, era: str) -> None:
    """-32002 up to 2025-11-25; 2026-07-28 has -32602 in its place."""
    wanted = types.INVALID_PARAMS if era == MODERN else -32002
    missing = ("bridge://nothing", "bridge://conversations/nowhere/1", "file:///etc/passwd", "x:" + "y" * 9000)
    async with served(tmp_path, Slow()) as (_, address), over_http(era, address, ALL) as client:
        for uri in missing:
            with pytest.raises(MCPError) as refused:
                await client.read_resource(uri)
            error = refused.value.error
            assert error.code == wanted
            assert error.data["uri"].startswith(str(AnyUrl(uri))[:4000])
            assert len(error.data["uri"]) < 5000
            assert error.data["error"]["code"] == "not_found"
        assert (await client.read_resource("bridge://channels")).contents
        assert await answer(client, "get_status")
