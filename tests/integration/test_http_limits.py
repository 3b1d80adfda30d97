"""An adversary of the limits over HTTP: half requests, trickles, bodies and answers that nobody reads, sessions."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest

from bridge_mcp.listening import Limits
from bridge_mcp.server.http import shared_sessions
from bridge_mcp.service import Bridge
from tests.integration.face_child import ALL, CLIENTS, READER, running
from tests.integration.face_clients import WAIT_S, answer, over_http
from tests.integration.test_face_http import HEADERS, HELLO, post
from tests.integration.test_scopes import serving

KNOWN = HEADERS | {"authorization": f"Bearer {ALL}"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def bridge(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Bridge]:
    async with running(tmp_path_factory.mktemp("limits")) as bridge:
        yield bridge


class Peer:
    """A connection over which anything may be sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def ended(self) -> bytes:
        """What came until the server closed the connection."""
        async with asyncio.timeout(WAIT_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    @property
    def is_over(self) -> bool:
        return self.reader.at_eof() or self.reader.exception() is not None


@asynccontextmanager
async def peers(address: str, count: int = 1) -> AsyncGenerator[list[Peer]]:
    host, port = address.removeprefix("http://").removesuffix("/mcp").split(":")
    made = [Peer(*await asyncio.open_connection(host, int(port), limit=2**16)) for _ in range(count)]
    try:
        yield made
    finally:
        for each in made:
            each.writer.transport.abort()


def head(length: int, token: str = ALL) -> bytes:
    lines = ["POST /mcp HTTP/1.1", "host: localhost", f"authorization: Bearer {token}", f"content-length: {length}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in HEADERS.items()), "", ""]).encode()


def hello() -> bytes:
    body = json.dumps(HELLO).encode()
    return head(len(body)) + body


def length_in(told: bytes) -> int:
    """How long the body is that comes after this head."""
    return int(told.lower().split(b"content-length: ")[1].split(b"\r\n")[0])


HALVES: dict[str, bytes] = {
    "nothing": b"",
    "a letter": b"P",
    "half a line": b"POST /mc",
    "half a head": b"POST /mcp HTTP/1.1\r\nhost: localhost\r\nx-a: ",
    "a head without its end": head(0)[:-2],
}


@pytest.mark.parametrize("half", HALVES)
async def test_a_head_that_does_not_come_is_not_waited_for(bridge: Bridge, half: str) -> None:
    async with serving(bridge, clients=CLIENTS, limits=Limits(head_s=0.3)) as address, peers(address) as (peer,):
        await peer.send(HALVES[half])
        assert await peer.ended() == b""


async def test_a_head_by_the_byte_has_no_more_time_than_any_other(bridge: Bridge) -> None:
    async with serving(bridge, clients=CLIENTS, limits=Limits(head_s=0.5)) as address, peers(address) as (peer,):

        async def trickle() -> None:
            for byte in head(0)[:-2] * 50:
                await peer.send(bytes([byte]))
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        assert await peer.ended() == b""
        trickling.cancel()
        await asyncio.wait([trickling])


async def test_the_next_head_of_a_connection_has_its_time_too(bridge: Bridge) -> None:
    async with serving(bridge, clients=CLIENTS, limits=Limits(head_s=0.5)) as address, peers(address) as (peer,):
        await peer.send(hello())
        told = await peer.reader.readuntil(b"\r\n\r\n")
        assert told.startswith(b"HTTP/1.1 200")
        await peer.reader.readexactly(length_in(told))
        await peer.send(b"POST /mcp HTTP/1.1\r\n")
        await peer.ended()


async def test_a_stranger_cannot_hold_a_connection_by_a_body_that_nobody_reads(bridge: Bridge) -> None:
    async with serving(bridge, clients=CLIENTS, limits=Limits(head_s=0.5)) as address, peers(address) as (peer,):

        async def trickle() -> None:
            while True:
                await peer.send(b"x")
                await asyncio.sleep(0.02)

        await peer.send(head(1_000_000, "wrong"))
        trickling = asyncio.create_task(trickle())
        told = await peer.ended()
        assert (
            told.startswith(b"HTTP/1.1 401") or not told
        )  # closing over bytes that nobody reads may reset what was said
        trickling.cancel()
        await asyncio.wait([trickling])


async def test_a_client_that_reads_no_answers_is_hung_up_on(bridge: Bridge) -> None:
    """Answers pile up here once the system's buffers are full; a reader of the same answers gets them all."""
    options: Any = {"clients": CLIENTS, "limits": Limits(stall_s=0.5), "rate_per_s": 0}
    async with serving(bridge, **options) as address, peers(address, 2) as (deaf, good):
        listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}
        body = json.dumps(listing).encode()
        modern = b"mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/list\r\n\r\n"
        request = head(len(body))[:-2] + modern + body

        async def ask() -> None:
            while True:
                await deaf.send(request * 20)

        asking = asyncio.create_task(ask())
        async with asyncio.timeout(WAIT_S * 2):
            while not asking.done():
                await good.send(request)
                told = await good.reader.readuntil(b"\r\n\r\n")
                assert told.startswith(b"HTTP/1.1 200"), told
                await good.reader.readexactly(length_in(told))
        assert isinstance(asking.exception(), ConnectionError)


META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
}


async def test_strangers_give_way_to_whoever_comes_and_known_clients_stay(bridge: Bridge) -> None:
    limits = Limits(connections=20)
    async with serving(bridge, clients=CLIENTS, limits=limits) as address, peers(address) as (known,):
        await known.send(hello())
        await known.reader.readuntil(b"\r\n\r\n")
        async with over_http("2025-11-25", address, ALL) as client:
            waiting = asyncio.create_task(answer(client, "wait_for_events", timeout_s=2))
            async with peers(address, 60) as strangers:
                for each in strangers:
                    await each.send(HALVES["half a head"])
                assert (await post(address, authorization=f"Bearer {ALL}")).status_code == 200
                assert "events" in await waiting

                async def few_are_left() -> bool:
                    await asyncio.sleep(0.01)
                    return sum(not each.is_over for each in strangers) < 20

                await eventually(few_are_left)
                assert all(each.is_over for each in strangers[:30]), "the oldest went first"


async def eventually(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not await true():
            pass


def test_connections_leave_the_process_more_than_half_of_its_descriptors() -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no such limit")
    may_open, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        for descriptors, connections in ((256, 128), (200, 72), (1024, 512), (100, 16), (4096, 512)):
            if most == resource.RLIM_INFINITY or descriptors <= most:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, most))
                assert Limits().connections == connections
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (may_open, most))


@pytest.mark.shows("http.limits")
@pytest.mark.slow
async def test_a_thousand_half_sent_heads_stop_nothing(bridge: Bridge) -> None:
    """More than a process may open by default: the engine goes on to open files, and a known client is served."""
    may_open, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(may_open, min(most, 4096)), most))
    try:
        options: Any = {"clients": CLIENTS, "limits": Limits(connections=128)}
        async with serving(bridge, **options) as address, peers(address, 1100) as crowd:
            for each in crowd:
                await each.send(HALVES["half a head"])
            async with over_http("2026-07-28", address, ALL) as client:
                sent = await answer(client, "send_message", conversation="local/main", text="still here")
                assert sent["message"]
            assert sum(not each.is_over for each in crowd) <= 140
            os.close(os.open(os.devnull, os.O_RDONLY))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (may_open, most))


# -- sessions ------------------------------------------------------------------------------------------------


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """A client may have that many sessions."""
    monkeypatch.setattr(shared_sessions, "MAX_SESSIONS", 3)
    return 3


async def opened(http: httpx2.AsyncClient, address: str, token: str = ALL) -> str:
    told = await http.post(address, json=HELLO, headers=HEADERS | {"authorization": f"Bearer {token}"})
    return told.headers["mcp-session-id"] if told.status_code == 200 else str(told.status_code)


async def listed(http: httpx2.AsyncClient, address: str, session: str, token: str = ALL) -> int:
    headers = HEADERS | {"authorization": f"Bearer {token}", "mcp-session-id": session}
    asked: dict[str, Any] = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
    return (await http.post(address, json=asked, headers=headers)).status_code


async def test_a_client_with_too_many_sessions_loses_the_one_it_used_least_recently(bridge: Bridge, few: int) -> None:
    async with serving(bridge, clients=CLIENTS) as address, httpx2.AsyncClient(timeout=WAIT_S) as http:
        other = await opened(http, address, READER)
        sessions = [await opened(http, address) for _ in range(few)]
        assert await listed(http, address, sessions[0]) == 200
        sessions.append(await opened(http, address))
        assert [await listed(http, address, each) for each in sessions] == [200, 404, 200, 200]
        assert await listed(http, address, other, READER) == 200
        ended = await http.delete(address, headers=KNOWN | {"mcp-session-id": sessions[2]})
        assert ended.status_code == 200
        sessions.append(await opened(http, address))
        assert [await listed(http, address, each) for each in sessions] == [200, 404, 404, 200, 200]


async def test_a_session_in_use_is_not_taken_and_then_the_client_is_told(bridge: Bridge, few: int) -> None:
    async with serving(bridge, clients=CLIENTS) as address, httpx2.AsyncClient(timeout=WAIT_S) as http:
        sessions = [await opened(http, address) for _ in range(few)]

        # Asked for progress, a stream begins at once.
        params = {"name": "wait_for_events", "arguments": {"timeout_s": 40}, "_meta": {"progressToken": 1}}
        asked = {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params}
        async with AsyncExitStack() as streams:
            for session in sessions:
                headers = KNOWN | {"mcp-session-id": session}
                await streams.enter_async_context(http.stream("POST", address, json=asked, headers=headers))
            refused = await http.post(address, json=HELLO, headers=KNOWN)
            assert refused.status_code == 429
            assert "sessions in use" in refused.json()["error"]["message"]
            assert len(await opened(http, address, READER)) > 3, "others are not concerned"
        await eventually(refused_no_longer(http, address))


def refused_no_longer(http: httpx2.AsyncClient, address: str) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return len(await opened(http, address)) > 3

    return look
