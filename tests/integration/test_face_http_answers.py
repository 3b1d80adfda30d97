"""How answers come over HTTP: as one document, or as a stream of events where something may come before them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import httpx2
import pytest

from tests.integration.face_child import ALL
from tests.integration.face_clients import ERAS, WAIT_S, over_http, served_http

OLD = "2025-11-25"
WAITER = "wait_for_events"
FOR_NOTHING: dict[str, Any] = {"types": ["pairing.requested"], "timeout_s": 0.2}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served_http(tmp_path_factory.mktemp("state")) as address:
        yield address


@pytest.fixture
async def session(address: str) -> AsyncGenerator[httpx2.AsyncClient]:
    """An HTTP client within an initialized session of the handshake era."""
    headers = {"accept": "application/json, text/event-stream", "authorization": f"Bearer {ALL}"}
    async with httpx2.AsyncClient(base_url=address, headers=headers, timeout=WAIT_S) as http:
        hello: dict[str, Any] = {
            "protocolVersion": OLD,
            "capabilities": {},
            "clientInfo": {"name": "raw", "version": "1"},
        }
        opened = await http.post("", json=request("initialize", **hello))
        http.headers.update({"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": OLD})
        await http.post("", json={"jsonrpc": "2.0", "method": "notifications/initialized"})
        yield http


def request(method: str, id_: int = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


async def test_what_only_answers_is_one_document(session: httpx2.AsyncClient) -> None:
    answered = await session.post("", json=request("tools/call", 7, name="list_channels", arguments={}))
    assert answered.headers["content-type"] == "application/json"
    body = answered.json()
    assert (body["id"], body["result"]["isError"]) == (7, False)


async def test_who_asks_for_progress_gets_it_before_the_answer(session: httpx2.AsyncClient) -> None:
    token = {"progressToken": "mine"}
    waiting = request("tools/call", 8, name=WAITER, arguments=FOR_NOTHING, _meta=token)
    answered = await session.post("", json=waiting)
    assert answered.headers["content-type"].startswith("text/event-stream")
    told, result = [json.loads(line[6:]) for line in answered.text.splitlines() if line.startswith("data: {")]
    assert (told["method"], told["params"]["progressToken"]) == ("notifications/progress", "mine")
    assert (result["id"], result["result"]["isError"]) == (8, False)


@pytest.mark.parametrize("era", ERAS)
async def test_the_published_client_is_told_of_progress_between_plain_answers(address: str, era: str) -> None:
    told: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    async with over_http(era, address, ALL) as client:
        await client.call_tool("list_channels", {})
        assert told == []
        await client.call_tool(WAITER, FOR_NOTHING, progress_callback=note)
        assert len(told) == 1


async def test_subscriptions_still_stream(address: str) -> None:
    """A stream of notices is asked for by a request too, and is none that only answers."""
    headers = {
        "accept": "application/json, text/event-stream",
        "authorization": f"Bearer {ALL}",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "subscriptions/listen",
    }
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    asked = request("subscriptions/listen", notifications={"resourceSubscriptions": ["bridge://status"]}, _meta=meta)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=WAIT_S) as http,
        http.stream("POST", address, json=asked) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        first = await anext(line async for line in stream.aiter_lines() if line.startswith("data: {"))
        assert "notifications/subscriptions/acknowledged" in first
