"""Several processes serve one store behind one address: nothing depends on which of them a request reaches."""

# The handshake era, whose way to subscribe the SDK marks as deprecated, is served as long as hosts speak it.
# pyright: reportDeprecated=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import mcp_types as types
import pytest

from bridge_mcp.assembly import WallClock
from bridge_mcp.service import Bridge
from bridge_mcp.stores.opening import open_store
from tests.integration.face_child import ALL, CALLER, CLIENTS, READER, SEATED, running, small_tools
from tests.integration.face_clients import ERAS, WAIT_S, answer, over_http
from tests.integration.task_client import TaskClient, about, begin, ended
from tests.integration.test_face_forms import CALL, Person
from tests.integration.test_face_http import HEADERS, HELLO
from tests.integration.test_scopes import serving
from tests.integration.test_two_sessions import ticket_in
from tests.servers.postgres import Database
from tests.servers.round_robin import behind_one_address

KNOWN = HEADERS | {"authorization": f"Bearer {ALL}"}


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of the store that the processes share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    database: Database = request.getfixturevalue("database")
    return database.url


@asynccontextmanager
async def beside(bridge: Bridge, url: str) -> AsyncGenerator[Bridge]:
    """A second process's bridge on the same store, which is no engine."""
    clock = WallClock()
    store = await open_store(url, clock=clock, delivered_by_commit=frozenset({"local"}))
    try:
        yield Bridge(store, bridge.rules, bridge.traits, clock=clock, check=small_tools().check)
    finally:
        await store.close()


@asynccontextmanager
async def two(state: Path, url: str) -> AsyncGenerator[tuple[str, tuple[str, str]]]:
    """The address of two faces of one bridge, and each one's own."""
    async with running(state, url) as one, beside(one, url) as other:
        async with serving(one, clients=CLIENTS) as first, serving(other, clients=CLIENTS) as second:
            async with behind_one_address(first, second) as address:
                yield address, (first, second)


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.shows("http.replicas")
async def test_a_client_is_served_by_both(tmp_path: Path, url: str, era: str) -> None:
    async with two(tmp_path, url) as (address, _), over_http(era, address, ALL) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert "send_message" in tools
        sent = [
            await answer(client, "send_message", conversation="local/main", text="once", idempotency_key="k")
            for _ in range(3)
        ]
        assert len({each["message"] for each in sent}) == 1
        cursor = 0
        for number in range(3):
            await answer(client, "send_message", conversation="local/main", text=f"{number}")
            page = await answer(client, "wait_for_events", after=cursor, consumer="me", timeout_s=10)
            assert page["events"]
            cursor = page["cursor"]
        turn = await answer(client, "run_turn", conversation="local/main", text="delete a.txt", wait_s=0)
        while not turn["approvals"]:
            turn = await answer(client, "wait_for", ticket=turn["id"], timeout_s=1)
        (approval,) = (await answer(client, "list_approvals"))["approvals"]
        await answer(client, "approve_call", approval_id=approval["id"], digest=approval["digest"])
        done = await answer(client, "wait_for", ticket=turn["id"], timeout_s=10)
        assert done["text"] == "tool said: a.txt is gone"


@pytest.mark.shows("http.replicas")
async def test_an_answer_to_a_form_reaches_the_process_that_asked(tmp_path: Path, url: str, era: str) -> None:
    person = Person({"decision": "approve"}, {"decision": "reject", "note": "no"})
    async with two(tmp_path, url) as (address, _):
        async with over_http(era, address, SEATED, elicitation_callback=person.fill_in) as client:
            assert (await answer(client, "call_tool", **CALL))["text"] == "a.txt is gone"
            assert (await answer(client, "call_tool", **CALL))["outcome"] == "denied"
            assert len(person.seen) == 2


@pytest.mark.shows("http.replicas")
async def test_a_cancellation_reaches_the_process_that_waits(tmp_path: Path, url: str, era: str) -> None:
    async with two(tmp_path, url) as (address, _), over_http(era, address, ALL) as client:
        for where in ("local/one", "local/two"):
            said = {"conversation": where, "text": "think", "wait_s": 50}
            waits = asyncio.create_task(client.call_tool("run_turn", said))
            ticket = await ticket_in(client, where)
            waits.cancel()
            ended = await answer(client, "wait_for", ticket=ticket, timeout_s=WAIT_S)
            assert (ended["state"], ended["outcome"]) == ("done", "cancelled")


class Notices:
    """What a client is told of by the way."""

    def __init__(self) -> None:
        self.uris: asyncio.Queue[str] = asyncio.Queue()

    async def take(self, message: object) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            await self.uris.put(str(message.params.uri))


@pytest.mark.filterwarnings("ignore:.*removed as of 2026-07-28")
@pytest.mark.shows("http.replicas")
async def test_a_subscription_is_served_by_the_stream_wherever_it_was_asked_for(tmp_path: Path, url: str) -> None:
    notices, uri = Notices(), "bridge://conversations/local/main"
    async with (
        two(tmp_path, url) as (address, _),
        over_http(ERAS[0], address, ALL, message_handler=notices.take) as client,
    ):
        for number in range(4):  # through either process, and so is what is posted
            await client.session.subscribe_resource(uri)
            await answer(client, "send_message", conversation="local/main", text=f"{number}")
            async with asyncio.timeout(WAIT_S):
                assert await notices.uris.get() == uri
            await client.session.unsubscribe_resource(uri)


async def test_tasks_are_known_to_both(tmp_path: Path, url: str) -> None:
    async with (
        two(tmp_path, url) as (address, _),
        over_http(ERAS[1], address, CALLER, extensions=[TaskClient()]) as client,
    ):
        task = await begin(client, "call_tool", CALL)
        await about(client.session, "cancel", task.task_id)
        assert (await ended(client, task.task_id)).status == "cancelled"


async def test_a_session_ends_everywhere_and_is_nobody_elses(tmp_path: Path, url: str) -> None:
    asked: dict[str, Any] = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
    async with two(tmp_path, url) as (_, (first, second)), httpx2.AsyncClient(timeout=WAIT_S) as http:
        session = (await http.post(first, json=HELLO, headers=KNOWN)).headers["mcp-session-id"]
        mine = KNOWN | {"mcp-session-id": session}
        for address in (second, first, second):
            told = await http.post(address, json=asked, headers=mine)
            assert told.status_code == 200
            assert told.headers.get("mcp-session-id", session) == session
        strange = mine | {"authorization": f"Bearer {READER}"}
        assert (await http.post(second, json=asked, headers=strange)).status_code == 404
        assert (await http.post(second, json=asked, headers=mine)).status_code == 200
        assert (await http.delete(second, headers=mine)).status_code == 200
        for address in (first, second):
            assert (await http.post(address, json=asked, headers=mine)).status_code == 404
        assert (await http.post(first, json=asked, headers=mine | {"mcp-session-id": "0" * 32})).status_code == 404


async def test_a_client_that_floods_the_others_with_answers_is_told_to_slow_down(tmp_path: Path, url: str) -> None:
    async with two(tmp_path, url) as (_, (first, _other)), httpx2.AsyncClient(timeout=WAIT_S) as http:
        session = (await http.post(first, json=HELLO, headers=KNOWN)).headers["mcp-session-id"]
        mine = KNOWN | {"mcp-session-id": session}
        answers: list[dict[str, object]] = [
            {"jsonrpc": "2.0", "id": f"none {number}", "result": {}} for number in range(250)
        ]
        told = [await http.post(first, json=each, headers=mine) for each in answers]
        assert told[0].status_code == 202
        assert told[-1].status_code == 429
        assert "more slowly" in told[-1].text
        assert (await http.post(first, json=HELLO | {"id": 9, "method": "ping"}, headers=mine)).status_code == 200


async def test_a_session_outlives_the_processes_that_served_it(tmp_path: Path, url: str) -> None:
    asked: dict[str, Any] = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
    async with running(tmp_path, url) as bridge, httpx2.AsyncClient(timeout=WAIT_S) as http:
        async with serving(bridge, clients=CLIENTS) as address:
            session = (await http.post(address, json=HELLO, headers=KNOWN)).headers["mcp-session-id"]
        async with serving(bridge, clients=CLIENTS) as address:
            told = await http.post(address, json=asked, headers=KNOWN | {"mcp-session-id": session})
            assert told.status_code == 200
