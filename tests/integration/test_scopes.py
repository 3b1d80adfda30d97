"""Who may do what: every tool by every set of scopes, on stdio and HTTP, in both eras; limits; tokens."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.server.lowlevel import Server

from bridge_mcp.core.entries import Posted, Sender
from bridge_mcp.core.errors import BadInput, Denied, NotFound
from bridge_mcp.core.policy import SCOPES, Principal, Scope
from bridge_mcp.ports import Pairing
from bridge_mcp.server.app import always, build_server
from bridge_mcp.server.http.app import HttpOptions, serve_http
from bridge_mcp.server.tools.registry import TOOLS, available_tools
from bridge_mcp.service import OWNER, Bridge
from tests.integration.face_child import running
from tests.integration.face_clients import ERAS, MODES, answer, called, over_http, refusal

EVERY_SET: tuple[frozenset[Scope], ...] = tuple(
    frozenset(some) for count in range(len(SCOPES) + 1) for some in itertools.combinations(SCOPES, count)
)
LIMITED: Mapping[str, frozenset[str]] = {"channels": frozenset({"local"}), "conversations": frozenset({"family/42"})}
HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def connected(era: str, server: Server[Any]) -> AsyncGenerator[Client]:
    """A client of a server in this process, as over stdio: one client, whose rights the transport knows."""
    async with Client(server, mode=MODES[era]) as client:
        yield client


@asynccontextmanager
async def serving(bridge: Bridge, **options: Any) -> AsyncGenerator[str]:
    """The address at which a bridge is served over HTTP from this process."""
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve_http(bridge, HttpOptions(**options), on_ready=ready.set_result))
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield f"http://127.0.0.1:{ready.result()}/mcp"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def check_matrix(client: Client, scopes: frozenset[Scope]) -> None:
    """The list holds what the scopes allow, in the fixed order; every other tool is denied by the name of its scope."""
    listed = [tool.name for tool in (await client.list_tools()).tools]
    assert listed == [tool.name for tool in TOOLS if tool.scope in scopes]
    for tool in TOOLS:
        if tool.scope in scopes:
            # Without its arguments it does nothing, and says so only behind the gate.
            result = await called(client, tool.name, {"no such argument": 1})
            assert result.structured_content is not None
            assert result.structured_content["error"]["code"] == "bad_input", tool.name
        else:
            code, message, _ = await refusal(client, tool.name)
            assert (code, f"the scope '{tool.scope}'" in message) == ("denied", True), tool.name
    resources = (await client.list_resources()).resources
    assert bool(resources) == ("read" in scopes)


@pytest.mark.shows("tools.scopes")
@pytest.mark.parametrize("era", ERAS)
async def test_every_tool_by_every_set_of_scopes(tmp_path: Path, era: str) -> None:
    async with running(tmp_path) as bridge:
        for scopes in EVERY_SET:
            async with connected(era, build_server(bridge, always(Principal("host", scopes=scopes)))) as client:
                await check_matrix(client, scopes)


@pytest.mark.parametrize("era", ERAS)
async def test_the_same_over_http_with_a_token_for_each_set(tmp_path: Path, era: str, full: bool) -> None:
    """The sets of one scope, the whole one and a seeded sample of the others; the option `--full` has all."""
    several = [scopes for scopes in EVERY_SET if 1 < len(scopes) < len(SCOPES)]
    single = [scopes for scopes in EVERY_SET if len(scopes) in (1, len(SCOPES))]
    chosen = EVERY_SET[1:] if full else (*single, *random.Random(13).sample(several, 6))
    async with running(tmp_path) as bridge:
        tokens = {
            scopes: (await bridge.add_client(OWNER, "c." + ".".join(sorted(scopes)), scopes=scopes))[1]
            for scopes in chosen
        }
        async with serving(bridge) as address:
            for scopes, token in tokens.items():
                async with over_http(era, address, token) as client:
                    await check_matrix(client, scopes)


@pytest.mark.shows("tools.list-small")
def test_the_whole_list_stays_small_and_in_order() -> None:
    listed = [
        tool.listed() for tool in available_tools(provider=False, relay=False, topics=False) if tool.scope != "admin"
    ]  # what a client on stdio gets by default
    assert len(json.dumps({"tools": listed}, ensure_ascii=False, separators=(",", ":")).encode()) < 20_000
    order = [SCOPES.index(tool.scope) for tool in TOOLS]
    assert order == sorted(order)


# -- limits --------------------------------------------------------------------------------------------------


async def fill(bridge: Bridge) -> dict[str, str]:
    """Two chats on each of two channels, each with a message, an event, an approval; the approvals by conversation."""
    waiting: dict[str, str] = {}
    await bridge.store.access.pair(Pairing("family", "43"))
    for conversation in ("local/main", "local/other", "family/42", "family/43", "family/42/7"):
        turn = await bridge.run_turn(OWNER, conversation, "delete secret of " + conversation.replace("/", " "))
        async with asyncio.timeout(10):
            while not turn.approvals:
                turn = await bridge.wait_for(OWNER, turn.id, timeout_s=0.05)
        waiting[conversation] = turn.approvals[0]
    return waiting


@pytest.mark.shows("tools.limits")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("limit", LIMITED)
async def test_a_limited_client_can_neither_see_nor_touch_what_is_elsewhere(
    tmp_path: Path, era: str, limit: str
) -> None:
    inside = ["local/main", "local/other"] if limit == "channels" else ["family/42", "family/42/7"]
    async with running(tmp_path) as bridge:
        waiting = await fill(bridge)
        outside = sorted(waiting.keys() - set(inside))
        _, token = await bridge.add_client(OWNER, "limited", scopes=SCOPES, **{limit: LIMITED[limit]})
        async with serving(bridge) as address, over_http(era, address, token) as client:
            await check_lists(client, inside, {waiting[each] for each in inside})
            for there in outside:
                await check_outside(client, there, waiting[there])
            for here in inside:
                assert (await answer(client, "read_messages", conversation=here))["messages"]
                await client.read_resource(f"bridge://conversations/{here}")
                await answer(client, "reject_call", approval_id=waiting[here])
        left = {each.id for each in await bridge.list_approvals(OWNER)}
        assert left == {waiting[each] for each in outside}, "nothing elsewhere was touched"


@pytest.mark.shows("tools.limits")
@pytest.mark.parametrize("limit", LIMITED)
async def test_a_limited_client_cannot_tell_that_something_happens_elsewhere(tmp_path: Path, limit: str) -> None:
    """Counters and cursors stand still for it, and move again with what it may see."""
    here, there = ("local/main", "family/42") if limit == "channels" else ("family/42", "local/main")
    async with running(tmp_path) as bridge:
        _, token = await bridge.add_client(OWNER, "limited", scopes=["read", "send"], **{limit: LIMITED[limit]})
        async with serving(bridge) as address, over_http("2026-07-28", address, token) as client:

            async def seen() -> dict[str, Any]:
                status = await answer(client, "get_status")
                page = await answer(client, "wait_for_events", consumer="me", timeout_s=0)
                fresh = await answer(client, "wait_for_events", timeout_s=0)
                return {**status, "page": page, "fresh": fresh, **await answer(client, "list_channels")}

            await answer(client, "send_message", conversation=here, text="the first")
            before = await seen()
            turn = await bridge.run_turn(OWNER, there, "delete it", wait_s=10)
            await bridge.store.log.record("family/43", Posted("queued", Sender("owner"), "k"))
            await bridge.reject_call(OWNER, turn.approvals[0])
            await bridge.wait_for(OWNER, turn.id, timeout_s=10)
            await bridge.pair_chat(OWNER, channel="family", chat="44")
            after = await seen()
            assert after == before
            assert after["event_cursor"] < await bridge.store.feed.head()
            with pytest.raises(AssertionError, match="lies in the future") as caught:
                await answer(client, "wait_for_events", after=10**9, timeout_s=0)
            assert str(await bridge.store.feed.head()) not in str(caught.value).replace(str(10**9), "")
            sent = await answer(client, "send_message", conversation=here, text="the second")
            page = await answer(client, "wait_for_events", after=before["event_cursor"], timeout_s=0)
            assert page["events"][0]["body"]["message"] == sent["message"]
            assert page["cursor"] == page["events"][-1]["cursor"]


async def check_lists(client: Client, inside: list[str], approvals: set[str]) -> None:
    """Lists, searches, events and resources tell of what is inside alone."""
    listed = await answer(client, "list_conversations")
    assert sorted(each["id"] for each in listed["conversations"]) == sorted(inside)
    channel = inside[0].partition("/")[0]
    assert [each["name"] for each in (await answer(client, "list_channels"))["channels"]] == [channel]
    found = await answer(client, "search_messages", query="secret", limit=100)
    assert {each["conversation"] for each in found["messages"]} == set(inside)
    events = await answer(client, "wait_for_events", after=0, limit=500, timeout_s=0)
    assert {each.get("conversation") for each in events["events"]} == set(inside)
    shown = await answer(client, "list_approvals", status="any")
    assert {each["id"] for each in shown["approvals"]} == approvals
    assert (await answer(client, "get_status"))["waiting_approvals"] == len(approvals)
    told = json.loads((await client.read_resource("bridge://approvals")).contents[0].text)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
    assert {each["id"] for each in told["approvals"]} == approvals
    pairings = (await answer(client, "list_pairings"))["pairings"]
    assert {f"{each['channel']}/{each['chat']}" for each in pairings} <= {"family/42"} & set(inside)


async def check_outside(client: Client, there: str, approval: str) -> None:
    """By no tool and no resource is there anything at an address outside, nor can anything be done there."""
    channel, _, chat = there.partition("/")
    tries: list[tuple[str, dict[str, Any]]] = [
        ("read_messages", {"conversation": there}),
        ("read_messages", {"conversation": there, "calls": True}),
        ("search_messages", {"query": "secret", "conversation": there}),
        ("wait_for_events", {"conversation": there, "after": 0, "timeout_s": 0}),
        ("list_approvals", {"conversation": there}),
        ("wait_for", {"ticket": f"turn:{there}#0", "timeout_s": 0}),
        ("wait_for", {"ticket": approval, "timeout_s": 0}),
        ("fetch_attachment", {"message": f"{there}#0"}),
        ("send_message", {"conversation": there, "text": "hi"}),
        ("edit_message", {"message": f"{there}#0", "text": "hi"}),
        ("react", {"message": f"{there}#0", "emoji": "👍"}),
        ("ask_user", {"conversation": there, "question": "?"}),
        ("run_turn", {"conversation": there, "text": "hi"}),
        ("set_responder", {"conversation": there, "responder": "off"}),
        ("claim_conversation", {"conversation": there, "for_s": 60}),
        ("create_topic", {"conversation": there, "name": "x"}),
        ("edit_topic", {"conversation": there if there.count("/") == 2 else f"{there}/1", "name": "x"}),
        ("approve_call", {"approval_id": approval}),
        ("reject_call", {"approval_id": approval}),
        ("run_command", {"conversation": there, "command": "/clear"}),
        ("unpair_chat", {"channel": channel, "chat": chat}),
    ]
    for tool, arguments in tries:
        code, message, _ = await refusal(client, tool, **arguments)
        assert code == "not_found", (tool, code, message)
        assert "secret" not in message
    with pytest.raises(Exception, match="There is no"):
        await client.read_resource(f"bridge://conversations/{there}")


async def test_a_limited_admin_lets_nobody_in_and_sees_no_grant_from_elsewhere(tmp_path: Path) -> None:
    who = Principal("limited", scopes=frozenset(SCOPES), channels=frozenset({"local"}))
    async with running(tmp_path) as bridge:
        waiting = await fill(bridge)
        await bridge.approve_call(OWNER, waiting["family/42"], remember="always")
        assert await bridge.list_grants(who) == ()
        with pytest.raises(NotFound):
            await bridge.revoke_grant(who, (await bridge.list_grants(OWNER))[0].id)
        for attempt in (bridge.add_client(who, "friend"), bridge.list_clients(who), bridge.revoke_client(who, "x")):
            with pytest.raises(Denied, match="limited to some chats"):
                await attempt


# -- tokens --------------------------------------------------------------------------------------------------


async def tools_list(http: httpx2.AsyncClient, address: str, token: str) -> httpx2.Response:
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"},
    }}  # fmt: skip
    return await http.post(address, content=json.dumps(body), headers={**HEADERS, "authorization": f"Bearer {token}"})


async def test_a_token_holds_from_when_it_is_made_until_it_is_revoked(tmp_path: Path) -> None:
    async with running(tmp_path) as bridge, httpx2.AsyncClient() as http:
        kept, token = await bridge.add_client(OWNER, "first")
        assert token not in str(kept)
        assert token.encode() not in (tmp_path / "store.db").read_bytes() + (tmp_path / "store.db-wal").read_bytes()
        async with serving(bridge) as address:
            assert (await tools_list(http, address, token)).status_code == 200
            assert (await tools_list(http, address, token + "x")).status_code == 401
            assert (await tools_list(http, address, kept.token_hash)).status_code == 401
            _, second = await bridge.add_client(OWNER, "second", scopes=["read"])
            assert (await tools_list(http, address, second)).status_code == 200
            await bridge.revoke_client(OWNER, "first")
            assert (await tools_list(http, address, token)).status_code == 401
            assert (await tools_list(http, address, second)).status_code == 200
            _, again = await bridge.add_client(OWNER, "first")
            assert (await tools_list(http, address, token)).status_code == 401, "a name given anew is another client"
            assert (await tools_list(http, address, again)).status_code == 200
        assert [(c.name, c.token_hash) for c in await bridge.list_clients(OWNER)] == [("second", ""), ("first", "")]


@pytest.mark.shows("http.revoke")
@pytest.mark.parametrize("era", ERAS)
async def test_revoking_ends_what_is_open_at_once(tmp_path: Path, era: str) -> None:
    async with running(tmp_path) as bridge:
        _, token = await bridge.add_client(OWNER, "watcher")
        async with serving(bridge) as address, over_http(era, address, token) as client:
            waiting = asyncio.create_task(called(client, "wait_for_events", {"timeout_s": 50}))
            await answer(client, "get_status")
            await bridge.revoke_client(OWNER, "watcher")
            with pytest.raises(Exception):  # noqa: B017, PT011 - what the client makes of it is its own affair
                await waited(client, waiting)


async def waited(client: Client, waiting: asyncio.Task[Any]) -> None:
    """The call that was under way, and one behind it, for clients that make no error of a stream that ended."""
    async with asyncio.timeout(10):
        await waiting
        await called(client, "get_status", {})


@pytest.mark.shows("http.revoke")
async def test_an_open_stream_ends_when_its_token_is_revoked(tmp_path: Path) -> None:
    async with running(tmp_path) as bridge, httpx2.AsyncClient(timeout=10) as http:
        _, token = await bridge.add_client(OWNER, "watcher")
        async with serving(bridge) as address:
            opened = await tools_list(http, address, token)
            headers = {"authorization": f"Bearer {token}", "mcp-session-id": opened.headers["mcp-session-id"]}
            async with http.stream("GET", address, headers=HEADERS | headers) as stream:
                assert stream.status_code == 200
                await bridge.revoke_client(OWNER, "watcher")
                with suppress(httpx2.HTTPError):
                    async for _ in stream.aiter_bytes():
                        pass
            assert (await tools_list(http, address, token)).status_code == 401


@pytest.mark.shows("http.rate")
async def test_who_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    async with running(tmp_path) as bridge, httpx2.AsyncClient() as http:
        _, token = await bridge.add_client(OWNER, "busy")
        _, other = await bridge.add_client(OWNER, "other")
        async with serving(bridge, rate_per_s=0.01, burst=3) as address:
            codes = [(await tools_list(http, address, token)).status_code for _ in range(4)]
            assert codes == [200, 200, 200, 429]
            refused = await tools_list(http, address, token)
            assert 1 <= int(refused.headers["retry-after"]) <= 100
            assert (await tools_list(http, address, other)).status_code == 200, "each has its own"
            guesses = [(await tools_list(http, address, f"guess{n}")).status_code for n in range(30)]
            assert guesses[0] == 401
            assert 429 in guesses
            assert (await tools_list(http, address, other)).status_code == 200, "who is known is not held up by them"


IMPOSSIBLE: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("owner", {}, "is not a name"),
    ("a b", {}, "is not a name"),
    ("x", {"scopes": ["all"]}, "no scope 'all'"),
    ("x", {"scopes": []}, "can do nothing"),
    ("x", {"channels": ["nowhere"]}, "no channel 'nowhere'"),
    ("x", {"conversations": ["local"]}, "is not a conversation"),
    ("x", {"conversations": ["nowhere/1"]}, "no channel for"),
    ("x", {"taken_names": ["x"]}, "a client 'x' already"),
)


async def test_a_client_that_cannot_be_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as bridge:
        for name, options, told in IMPOSSIBLE:
            with pytest.raises(BadInput, match=told):
                await bridge.add_client(OWNER, name, **options)
        assert await bridge.list_clients(OWNER) == ()
