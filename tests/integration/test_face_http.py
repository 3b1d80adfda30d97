"""The face over Streamable HTTP on loopback: who may come in, as whom, and in both eras the same tools."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge_mcp.core.errors import ConfigError
from bridge_mcp.server.http.app import HttpOptions, serve_http
from bridge_mcp.server.http.auth import hash_token
from bridge_mcp.server.tools.registry import TOOLS
from bridge_mcp.service import OWNER, Bridge
from tests.integration.face_child import ALL, CLIENTS, READER, running
from tests.integration.face_clients import (
    ERAS,
    WAIT_S,
    answer,
    child_serving,
    deletion,
    over_http,
    refusal,
    served_http,
)
from tests.integration.test_scopes import serving

CHAT = "local/main"
HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served_http(tmp_path_factory.mktemp("state")) as address:
        yield address


@pytest.mark.shows("http.eras")
@pytest.mark.parametrize("era", ERAS)
async def test_the_tools_work_in_both_eras(address: str, era: str) -> None:
    async with over_http(era, address, ALL) as client:
        assert len((await client.list_tools()).tools) == len(TOOLS)
        sent = await answer(client, "send_message", conversation=CHAT, text=f"by {era} 👋")
        page = await answer(client, "read_messages", conversation=CHAT, limit=1)
        assert [(m["id"], m["author"]["name"]) for m in page["messages"]] == [(sent["message"], "all")]
        waiting = await deletion(client, CHAT, "x.txt")
        assert waiting["requested_by"] == "assistant for all"
        await answer(client, "approve_call", approval_id=waiting["id"], digest=waiting["digest"])
        assert (await answer(client, "wait_for", ticket=waiting["turn"]))["text"] == "tool said: x.txt is gone"
        read = await client.read_resource(f"bridge://conversations/{CHAT}")
        assert f"by {era}" in str(read.contents)
        code, message, _ = await refusal(client, "send_message", conversation=CHAT, text="x" * 1_000_000)
        assert (code, "1,000,000" in message) == ("bad_input", True)


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_is_who_its_token_says_and_may_do_no_more(address: str, era: str) -> None:
    async with over_http(era, address, READER) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert names[0] == "list_channels"
        assert not {"send_message", "approve_call", "call_tool", "list_grants"} & set(names)
        code, message, _ = await refusal(client, "send_message", conversation=CHAT, text="hi")
        assert (code, message) == ("denied", "This needs the scope 'send'; reader has: read.")
        channels = await answer(client, "list_channels")
        assert [c["name"] for c in channels["channels"]] == ["local"]
        code, message, _ = await refusal(client, "read_messages", conversation="family/42")
        assert code == "not_found"
        assert (await client.list_prompts()).prompts == []


async def post(address: str, body: Any = HELLO, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as http:
        return await http.post(address, content=json.dumps(body), headers=HEADERS | headers)


@pytest.mark.shows("http.tokens")
@pytest.mark.parametrize(
    ("authorization", "told"),
    [
        ({}, "A token is needed."),
        ({"authorization": "Bearer wrong"}, "The token is not known."),
        ({"authorization": f"Basic {ALL}"}, "The token is not known."),
        ({"authorization": f"Bearer {hash_token(ALL)}"}, "The token is not known."),
        ({"authorization": "Bearer"}, "The token is not known."),
    ],
    ids=["none", "wrong", "basic", "its hash", "empty"],
)
async def test_without_a_known_token_nobody_comes_in(address: str, authorization: dict[str, str], told: str) -> None:
    for path in ("", "/../mcp", "?x=1"):
        refused = await post(address + path, **authorization)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer ")
        assert told in refused.json()["error_description"]
        assert "bridge.toml" in refused.json()["error_description"]
    assert (await post(address, authorization=f"bearer {ALL}")).status_code == 200


async def test_an_answer_does_not_wait_for_delayed_acknowledgements(address: str) -> None:
    """Those take 40 ms, whatever the machine; the quickest of many calls takes less, however busy it is."""
    taken: list[float] = []
    async with httpx2.AsyncClient(headers=HEADERS | {"authorization": f"Bearer {ALL}"}) as http:
        for _ in range(40):
            begun = time.perf_counter()
            await http.post(address, json=HELLO)
            taken.append(time.perf_counter() - begun)
    assert min(taken[20:]) < 0.035


async def test_another_client_cannot_use_a_session(address: str) -> None:
    opened = await post(address, authorization=f"Bearer {ALL}")
    session = opened.headers["mcp-session-id"]
    listing: dict[str, Any] = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
    stolen = await post(address, listing, authorization=f"Bearer {READER}", **{"mcp-session-id": session})
    assert stolen.status_code == 404
    own = await post(address, listing, authorization=f"Bearer {ALL}", **{"mcp-session-id": session})
    assert own.status_code == 200


@pytest.mark.shows("http.hosts")
@pytest.mark.parametrize(
    ("headers", "status", "told"),
    [
        ({"host": "rebound.example"}, 421, "does not go by the name 'rebound.example'"),
        ({"host": "rebound.example:80"}, 421, "127.0.0.1, ::1, localhost"),
        ({"host": ""}, 421, "does not go by the name"),
        ({"origin": "https://evil.example"}, 403, "Pages of 'https://evil.example'"),
        ({"origin": "null"}, 403, "allowed_origins"),
        ({"host": "localhost:1234", "origin": "http://localhost:3000"}, 200, ""),
        ({"host": "[::1]:9"}, 200, ""),
    ],
)
async def test_hosts_and_origins_are_checked_before_anything_else(
    address: str, headers: dict[str, str], status: int, told: str
) -> None:
    response = await post(address, authorization=f"Bearer {ALL}", **headers)
    assert response.status_code == status
    if told:
        assert told in response.json()["error_description"]


async def test_a_stranger_never_gets_a_body_read(address: str) -> None:
    """The refusal comes although the declared body never does."""
    async with httpx2.AsyncClient() as http:

        async def endless() -> AsyncGenerator[bytes]:
            yield b"{"
            raise AssertionError("the server waited for the rest of the body")

        with pytest.raises(AssertionError, match="waited"):
            await http.post(address, content=endless(), headers=HEADERS)


@pytest.mark.shows("http.limits")
async def test_too_large_a_body_is_refused(address: str) -> None:
    response = await post(address, {"pad": "x" * (17 * 1024 * 1024)}, authorization=f"Bearer {ALL}")
    assert response.status_code == 413
    assert "larger than 16,777,216 bytes" in response.json()["error"]["message"]


DEEP = {"array": b"[" * 200_000, "object": b'{"a":' * 200_000, "closed": b"[" * 100_000 + b"]" * 100_000}


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize("shape", DEEP)
async def test_json_that_is_nested_without_end_is_refused_and_the_server_lives(
    address: str, version: str, shape: str
) -> None:
    headers = HEADERS | {"authorization": f"Bearer {ALL}", "mcp-protocol-version": version}
    call = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_status","arguments":{"a":%s}}}'
    async with httpx2.AsyncClient(timeout=WAIT_S) as http:
        for body in (DEEP[shape], call % DEEP[shape]):
            refused = await http.post(address, content=body, headers=headers)
            assert refused.status_code == 400
            assert "error" in refused.json()
    assert (await post(address, authorization=f"Bearer {ALL}")).status_code == 200


async def test_a_body_that_comes_too_slowly_is_refused_and_others_are_served(tmp_path: Path) -> None:
    async with running(tmp_path) as bridge, serving(bridge, clients=CLIENTS, body_s=0.2) as address:
        host, port = address.removeprefix("http://").removesuffix("/mcp").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /mcp HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {ALL}\r\ncontent-length: 9999\r\n\r\n"
        writer.write(head.encode() + b'{"jsonrpc":')
        await writer.drain()
        assert (await post(address, authorization=f"Bearer {ALL}")).status_code == 200
        async with asyncio.timeout(WAIT_S):
            assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
            assert b"not here within 0.2 s" in await reader.readuntil(b"Send it again")
        writer.close()


async def test_there_is_one_path(address: str) -> None:
    for path in ("/", "/.well-known/oauth-protected-resource"):
        response = await post(address.removesuffix("/mcp") + path, authorization=f"Bearer {ALL}")
        assert response.status_code == 404
        assert "MCP is at /mcp" in response.json()["error_description"]
    assert (await post(address + "/", authorization=f"Bearer {ALL}")).status_code == 200


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_half_of_a_utf16_pair_is_refused_and_the_server_lives(address: str, version: str) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    }
    headers = {"authorization": f"Bearer {ALL}", "mcp-protocol-version": version}
    if version == "2025-11-25":
        headers["mcp-session-id"] = (await post(address, **headers)).headers["mcp-session-id"]
    else:
        headers |= {"mcp-method": "tools/call", "mcp-name": "send_message"}
    arguments = {"conversation": CHAT, "text": "cut \ud83d"}
    params: dict[str, Any] = {"name": "send_message", "arguments": arguments}
    if version == "2026-07-28":
        params["_meta"] = meta
    response = await post(address, {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params}, **headers)
    assert response.status_code == 400
    assert response.json()["id"] == 3
    told = "params.arguments.text is not valid Unicode: half of a UTF-16 pair at character 4"
    assert told in response.json()["error"]["message"]
    assert (await post(address, authorization=f"Bearer {ALL}")).status_code == 200


async def test_nobody_is_let_in_by_mistake(tmp_path: Path) -> None:
    async with running(tmp_path) as bridge:
        await refused(bridge, "No client has a token", clients=())
        await refused(bridge, "would let in whoever reaches it", clients=(), host="0.0.0.0", insecure_loopback=True)
        await refused(bridge, "Cannot listen on 203.0.113.1:0", clients=CLIENTS, host="203.0.113.1")


async def refused(bridge: Bridge, told: str, **options: Any) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        await serve_http(bridge, HttpOptions(**options))
    assert caught.value.fix


async def test_serving_ends_in_order_while_clients_wait_and_listen(tmp_path: Path) -> None:
    """Its end is told to a listener; a waiting call and an open stream of notices do not hold it up."""
    with child_serving(tmp_path) as (child, address):
        async with over_http("2025-11-25", address, ALL) as waits, over_http("2026-07-28", address, ALL) as listens:
            waiting = asyncio.create_task(waits.call_tool("wait_for_events", {"timeout_s": 50}))
            async with listens.listen(resource_subscriptions=["bridge://status"]) as events:
                child.send_signal(signal.SIGTERM)
                async with asyncio.timeout(WAIT_S):
                    assert [event async for event in events] == []
            assert await asyncio.to_thread(child.wait, WAIT_S) == 0
            waiting.cancel()


@pytest.mark.shows("http.hang-up")
@pytest.mark.parametrize("era", ERAS)
async def test_a_cancelled_run_turn_stops_its_turn_in_both_eras(address: str, era: str) -> None:
    """The older era says it by a notification, the newer one by closing the response."""
    there = f"local/cancelled-{era}"
    async with over_http(era, address, ALL) as client:
        asking = {"conversation": there, "text": "think", "wait_s": 50}
        waiting = asyncio.create_task(client.call_tool("run_turn", asking))
        while not (said := (await answer(client, "read_messages", conversation=there))["messages"]):
            pass
        ticket = f"turn:{said[0]['id']}"
        assert (await answer(client, "wait_for", ticket=ticket, timeout_s=0))["state"] == "open"
        waiting.cancel()
        done = await answer(client, "wait_for", ticket=ticket, timeout_s=WAIT_S)
        assert (done["state"], done["outcome"], done["text"]) == ("done", "cancelled", "its caller cancelled it")


@pytest.mark.parametrize("era", ERAS)
async def test_a_server_that_ends_stops_no_turn(tmp_path: Path, era: str) -> None:
    there = "local/goes-on"
    with child_serving(tmp_path) as (child, address):
        async with over_http(era, address, ALL) as client:
            asking = {"conversation": there, "text": "think", "wait_s": 50}
            waiting = asyncio.create_task(client.call_tool("run_turn", asking))
            while not (said := (await answer(client, "read_messages", conversation=there))["messages"]):
                pass
            child.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(child.wait, WAIT_S) == 0
            waiting.cancel()
    async with running(tmp_path) as bridge:
        stands = await bridge.wait_for(OWNER, f"turn:{said[0]['id']}", timeout_s=0)
        assert (stands.state, stands.outcome) == ("open", "")
