"""MCP Events: what happens is polled by clients, or posted to them, signed, as far as they may see it."""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
import ssl
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.client.extension import ClientExtension
from mcp.shared.exceptions import MCPError

from bridge_mcp.assembly import WallClock, open_bridge
from bridge_mcp.cli import check
from bridge_mcp.config import load_config
from bridge_mcp.core.network_places import place_among
from bridge_mcp.core.policy import Principal
from bridge_mcp.operations.event_callbacks import failing_callbacks
from bridge_mcp.ports import EventRules
from bridge_mcp.ports.subscriptions import SUSPENDED_AFTER
from bridge_mcp.server.app import always, build_server
from bridge_mcp.server.events import callbacks
from bridge_mcp.server.events.callbacks import CallbackFailed, Callbacks, signature_headers
from bridge_mcp.server.events.deliveries import EventDeliveries
from bridge_mcp.service import Bridge
from tests.integration.face_clients import ERAS, MODES
from tests.integration.setup import OWNER, World, rules_for, world
from tests.integration.test_scopes import HEADERS, serving
from tests.servers.certificates import loopback_certificate
from tests.servers.webhook_receiver import Receiver, receiving

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
EVENT = "message.received"


class Raw(types.Result):
    """Any answer, as it came."""

    model_config = types.Result.model_config | {"extra": "allow"}


class AnyParams(types.RequestParams):
    model_config = types.RequestParams.model_config | {"extra": "allow"}


async def ask(client: Client, method: str, **params: Any) -> dict[str, Any]:
    request = types.Request[AnyParams, str](method=method, params=AnyParams(**params))
    async with asyncio.timeout(15):
        found = await client.session.send_request(request, Raw)
    return found.model_dump(by_alias=True, exclude_none=True) | (found.model_extra or {})


async def refused(client: Client, method: str, **params: Any) -> tuple[int, Any]:
    with pytest.raises(MCPError) as caught:
        await ask(client, method, **params)
    assert SECRET not in str(caught.value.error)
    return caught.value.error.code, caught.value.error.data


@dataclass
class Stage:
    """A bridge whose clients get events, without an engine: the lane that posts them is started by the test."""

    it: World
    receiver: Receiver
    client: Client

    @property
    def bridge(self) -> Bridge:
        return self.it.bridge

    async def subscribe(self, client: Client | None = None, **more: Any) -> dict[str, Any]:
        delivery = {"mode": "webhook", "url": self.receiver.url, "secret": SECRET, **more.pop("delivery", {})}
        return await ask(client or self.client, "events/subscribe", **{"name": EVENT, "delivery": delivery, **more})

    @asynccontextmanager
    async def posting(self, timeout_s: float = 0.5) -> AsyncGenerator[None]:
        """The lane of an engine, for as long as the context lasts."""
        posts = Callbacks(self.it.rules.events.local_hosts, timeout_s=timeout_s)
        lane = EventDeliveries(self.bridge, WallClock(), posts, first_pause_s=0.02)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lane.run)
            yield
            tasks.cancel_scope.cancel()

    async def said(self, text: str, conversation: str = "local/main") -> None:
        await self.bridge.say(OWNER, conversation, text)


async def let_in(bridge: Bridge, name: str, **limits: Any) -> Principal:
    client, _ = await bridge.add_client(OWNER, name, **limits)
    return client.principal


@pytest.fixture
async def at(tmp_path: Path) -> AsyncGenerator[Stage]:
    async with receiving(SECRET) as receiver:
        host = receiver.url.split("/")[2]
        events = EventRules(poll=True, webhooks=True, local_hosts=frozenset({host}), of_client=3)
        async with world(tmp_path, rules=rules_for(events=events), engine=False) as it:
            who = await let_in(it.bridge, "watcher")
            async with Client(build_server(it.bridge, always(who))) as client:
                yield Stage(it, receiver, client)


# -- listing and polling --------------------------------------------------------------------------------------------


@pytest.mark.shows("tools.events-poll")
@pytest.mark.parametrize("era", ERAS)
async def test_events_are_declared_listed_and_polled(at: Stage, era: str) -> None:
    who = Principal("watcher", "client", frozenset({"read"}))
    async with Client(build_server(at.bridge, always(who)), mode=MODES[era]) as client:
        if era == "2026-07-28":
            assert "io.modelcontextprotocol/events" in (client.server_capabilities.extensions or {})
        listed = {each["name"]: each for each in (await ask(client, "events/list"))["events"]}
        assert listed[EVENT]["delivery"] == ["poll", "webhook"]
        assert "text" in listed[EVENT]["payloadSchema"]["properties"]

        await at.said("before")
        begun = await ask(client, "events/poll", name=EVENT)
        assert begun["events"] == []
        for text in ("one", "two", "x" * 10_000):
            await at.said(text)
        first = await ask(client, "events/poll", name=EVENT, cursor=begun["cursor"], maxEvents=2)
        assert [each["data"]["text"] for each in first["events"]] == ["one", "two"]
        assert (first["hasMore"], first["truncated"]) == (True, False)
        rest = await ask(client, "events/poll", name=EVENT, cursor=first["cursor"])
        assert len(rest["events"][0]["data"]["text"]) < 5_000, "a long text is shortened; its message's id leads to it"
        assert not rest["hasMore"]
        assert len({each["eventId"] for each in [*first["events"], *rest["events"]]}) == 3


async def test_the_capability_stands_at_the_top_level_too(at: Stage) -> None:
    shown = await ask(at.client, "server/discover")
    assert shown["capabilities"]["events"] == {}
    _, token = await at.bridge.add_client(OWNER, "greeter")
    client = {"name": "test", "version": "1"}
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
    async with serving(at.bridge) as address, httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}) as http:
        body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
        answer = await http.post(address, json=body, headers=HEADERS)
    assert answer.json()["result"]["capabilities"]["events"] == {}


async def test_without_a_delivery_in_the_config_there_is_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, engine=False) as it, Client(build_server(it.bridge, always(OWNER))) as client:
        assert (await refused(client, "events/list"))[0] == types.METHOD_NOT_FOUND
        assert "io.modelcontextprotocol/events" not in (client.server_capabilities.extensions or {})


async def test_what_is_older_than_asked_for_or_forgotten_is_told_of(at: Stage) -> None:
    for number in range(5):
        await at.said(f"{number}")
    old = await ask(at.client, "events/poll", name=EVENT, cursor="0", maxAgeMs=0)
    assert (old["events"], old["truncated"]) == ([], True)
    everything = await ask(at.client, "events/poll", name=EVENT, cursor="0", maxAgeMs=60_000)
    assert (len(everything["events"]), everything["truncated"]) == (5, False)
    await at.it.store.feed.prune(int(everything["cursor"]))
    assert (await ask(at.client, "events/poll", name=EVENT, cursor="0"))["truncated"]


@pytest.mark.shows("tools.events-limits")
async def test_a_limited_client_sees_its_own_alone(at: Stage) -> None:
    mine = await let_in(at.bridge, "mine", conversations=["local/mine"])
    async with Client(build_server(at.bridge, always(mine))) as client, at.posting():
        begun = await ask(client, "events/poll", name=EVENT)
        await at.subscribe(client)
        await at.said("theirs", "local/theirs")
        await at.said("mine", "local/mine")
        page = await ask(client, "events/poll", name=EVENT, cursor=begun["cursor"])
        assert [each["data"]["text"] for each in page["events"]] == ["mine"]
        assert (await at.receiver.next())["data"]["text"] == "mine"
        for about in ({"conversation": "local/theirs"}, {"channel": "family"}, {"channel": "nowhere"}):
            assert (await refused(client, "events/poll", name=EVENT, arguments=about))[0] == -32012
        await at.said("mine again", "local/mine")
        assert (await at.receiver.next())["data"]["text"] == "mine again"
    async with Client(build_server(at.bridge, always(Principal("caller", scopes=frozenset({"send"}))))) as client:
        assert (await ask(client, "events/list"))["events"] == []
        assert (await refused(client, "events/poll", name=EVENT))[0] == -32012


BAD: Sequence[tuple[dict[str, Any], int]] = [
    ({"name": "no.such.event"}, -32011),
    ({"arguments": {"chanel": "local"}}, types.INVALID_PARAMS),
    ({"cursor": "999999"}, types.INVALID_PARAMS),
    ({"cursor": "x"}, types.INVALID_PARAMS),
    ({"delivery": {"mode": "push"}}, -32014),
    ({"delivery": {"secret": "whsec_c2hvcnQ="}}, types.INVALID_PARAMS),
    ({"delivery": {"secret": SECRET.removeprefix("whsec_")}}, types.INVALID_PARAMS),
    ({"delivery": {"url": "http://example.com/hook"}}, types.INVALID_PARAMS),
    ({"delivery": {"url": "ftp://example.com/hook"}}, types.INVALID_PARAMS),
    ({"delivery": {"url": "https://user@example.com/hook"}}, types.INVALID_PARAMS),
    ({"delivery": {"url": "https:///hook"}}, types.INVALID_PARAMS),
    ({"delivery": {"url": "https://example.com:99999/"}}, types.INVALID_PARAMS),
]


async def test_what_is_off_is_refused_without_its_values(at: Stage) -> None:
    for change, code in BAD:
        with pytest.raises(MCPError) as caught:
            await at.subscribe(**change)
        assert caught.value.error.code == code, change
        assert SECRET[6:] not in str(caught.value.error)
    assert at.receiver.requests == []
    gone = {"name": EVENT, "delivery": {"url": at.receiver.url}}
    assert await refused(at.client, "events/unsubscribe", **gone) == (-32011, {"kind": "subscription"})


class Declares(ClientExtension):
    identifier = "io.modelcontextprotocol/events"


async def test_a_client_that_declares_the_extension_gets_the_numbers_of_its_final_document(at: Stage) -> None:
    who = Principal("stdio", "client", frozenset({"read"}))
    async with Client(build_server(at.bridge, always(who)), extensions=[Declares()]) as client:
        assert (await refused(client, "events/poll", name="nothing"))[0] == -32023
        assert (await refused(client, "events/poll", name=EVENT, arguments={"channel": "none"}))[0] == -32024
        delivery = {"mode": "webhook", "url": at.receiver.url, "secret": SECRET}
        assert (await refused(client, "events/subscribe", name=EVENT, delivery=delivery))[0] == -32024


# -- webhooks --------------------------------------------------------------------------------------------------------


@pytest.mark.shows("tools.events-webhooks")
@pytest.mark.parametrize("era", ERAS)
async def test_events_are_posted_signed_once_the_callback_agreed(at: Stage, era: str) -> None:
    who = (await at.bridge.list_clients(OWNER))[0].principal
    async with Client(build_server(at.bridge, always(who)), mode=MODES[era]) as client, at.posting():
        first = await at.subscribe(client, ttlMs=None)
        assert first["refreshBefore"]
        await at.said("hello")
        event = await at.receiver.next()
        posted = at.receiver.requests[-1]["headers"]
        assert event["data"]["text"] == "hello"
        assert (posted["webhook-id"], posted["x-mcp-subscription-id"]) == (event["eventId"], first["id"])
        again = await at.subscribe(client)
        assert again["id"] == first["id"]
        assert again["deliveryStatus"]["active"]
        verifications = [each for each in at.receiver.requests if each["body"].get("type") == "verification"]
        assert len(verifications) == 1, "a callback that agreed is not asked again"
        await ask(client, "events/unsubscribe", name=EVENT, delivery={"url": at.receiver.url})
        await at.said("nobody is told")
        assert await at.it.store.subscriptions.ids() == frozenset()


@pytest.mark.shows("tools.events-webhooks")
async def test_a_restart_loses_nothing_and_repeats_under_the_same_id(at: Stage) -> None:
    async with at.posting():
        await at.subscribe()
        await at.said("one")
        assert (await at.receiver.next())["data"]["text"] == "one"
        at.receiver.failing = ["hang"]
        await at.said("two")
        await at.receiver.requested(3)
    await at.said("three")
    async with at.posting():
        assert [(await at.receiver.next())["data"]["text"] for _ in range(2)] == ["two", "three"]
    ids = [each["headers"]["webhook-id"] for each in at.receiver.requests[1:]]
    assert (len(ids), len(set(ids))) == (4, 3), "the one that the restart broke off came again under its id"


async def test_failures_are_tried_again_with_a_new_signature_and_told_at_renewal(at: Stage) -> None:
    async with at.posting():
        await at.subscribe()
        at.receiver.failing = ["500", "hang", "redirect", "500", "endless"]
        await at.said("one")
        await at.receiver.requested(6)
        assert {each["path"] for each in at.receiver.requests} == {"/hook"}, "no redirect is followed"
        assert len({each["headers"]["webhook-id"] for each in at.receiver.requests[1:]}) == 1
        at.receiver.failing, at.receiver.stuck = ["500"], True
        await at.said("two")
        await at.receiver.requested(8)
        status = (await at.subscribe())["deliveryStatus"]
        assert (status["active"], status["lastError"]) == (True, "http_5xx")
        at.receiver.failing = []
        assert (await at.receiver.next())["data"]["text"] == "two"


@pytest.mark.shows("tools.events-failing")
@pytest.mark.sqlite_only("the command that tells of it opens the file that a configuration without a store names")
async def test_a_callback_that_fails_is_told_of_wherever_one_looks(at: Stage, tmp_path: Path) -> None:
    mine = await let_in(at.bridge, "mine", conversations=["local/mine"])
    config = tmp_path / "bridge.toml"
    config.write_text("[channels.local]\ntype = 'local'\n[events]\ndelivery = ['webhook']\n")
    settings = load_config(config, env={"BRIDGE_MCP_STATE_DIR": str(tmp_path)})

    async def told() -> str:
        status, limited = await at.bridge.get_status(OWNER), await at.bridge.get_status(mine)
        assert not any("callback" in each for each in limited.warnings), "whose it is not is told nothing"
        found = [each for each in status.warnings if "callback" in each]
        assert [(each.fine, each.warning, each.told) for each in await check.callbacks(settings)] == [
            (True, True, each) for each in found
        ]
        return " ".join(found)

    subscriptions = at.it.store.subscriptions
    await at.subscribe(delivery={"url": at.receiver.url + "?token=hidden"})
    assert await told() == ""
    at.receiver.failing, at.receiver.stuck = ["500"], True
    async with at.posting():
        await at.said("one")
        await at.receiver.requested(4)
    found = await told()
    assert "message.received for client watcher" in found
    assert "127.0.0.1 fails (http_5xx)" in found
    assert "It is tried again" in found
    assert "hidden" not in found
    for _ in range(SUSPENDED_AFTER):
        await subscriptions.failed(next(iter(await subscriptions.ids())), "timeout", 0.0, time.time())
    assert "until the client subscribes again" in await told()
    at.receiver.failing = []
    await at.subscribe(delivery={"url": at.receiver.url + "?token=hidden"})
    assert "before it was renewed" in await told()
    async with at.posting():
        await at.receiver.next()
        with anyio.fail_after(10):
            while await failing_callbacks(at.it.store):  # noqa: ASYNC110 (what is waited for stands in a store)
                await anyio.sleep(0.01)
    assert await told() == ""


async def test_what_a_callback_finds_too_large_is_passed_over_and_one_that_is_gone_ends(at: Stage) -> None:
    async with at.posting():
        await at.subscribe()
        at.receiver.failing = ["413"]
        await at.said("large")
        await at.said("small")
        assert (await at.receiver.next())["data"]["text"] == "small"
        at.receiver.failing = ["410"]
        await at.said("gone")
        with anyio.fail_after(10):
            while await at.it.store.subscriptions.ids():  # noqa: ASYNC110 (what is waited for stands in a store)
                await anyio.sleep(0.01)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("wrong echo", "challenge_failed"),
        ("no echo", "challenge_failed"),
        ("redirect", "challenge_failed"),
        ("500", "http_5xx"),
    ],
)
async def test_a_callback_that_does_not_agree_gets_nothing(at: Stage, how: Any, reason: str) -> None:
    at.receiver.failing = [how]
    with pytest.raises(MCPError) as caught:
        await at.subscribe()
    assert (caught.value.error.code, caught.value.error.data) == (-32015, {"reason": reason})
    assert await at.it.store.subscriptions.ids() == frozenset()
    with pytest.raises(MCPError) as caught:
        await at.subscribe()
    assert caught.value.error.data == {"limit": "verifications"}
    assert len(at.receiver.requests) == 1, "nor is it asked again at once"


@pytest.mark.shows("tools.events-revoked")
async def test_a_revoked_client_gets_nothing_more_even_what_is_under_way(at: Stage) -> None:
    async with at.posting(timeout_s=60):
        await at.subscribe()
        at.receiver.failing, at.receiver.stuck = ["hang"], True
        await at.said("one")
        await at.receiver.requested(2)
        await at.bridge.revoke_client(OWNER, "watcher")
        async with asyncio.timeout(5):
            await at.receiver.hung_up.wait()
        assert await at.it.store.subscriptions.ids() == frozenset()
        at.receiver.failing = []
        await let_in(at.bridge, "watcher")
        await at.said("two")
        await at.subscribe()
        assert len([each for each in at.receiver.requests if "type" in each["body"]]) == 2, "it has to agree anew"
        await at.said("three")
        assert (await at.receiver.next())["data"]["text"] == "three"


@pytest.mark.parametrize("later", [[], [Principal("fixed", "client", frozenset({"send"}))]])
async def test_what_the_config_lets_a_client_do_counts_at_each_delivery(at: Stage, later: list[Principal]) -> None:
    configured = Principal("fixed", "client", frozenset({"read"}))
    at.bridge._clients = (configured,)  # pyright: ignore[reportPrivateUsage]
    async with Client(build_server(at.bridge, always(configured))) as client:
        await at.subscribe(client)
        at.bridge._clients = tuple(later)  # pyright: ignore[reportPrivateUsage]
        await at.said("one")
        async with at.posting():
            with anyio.fail_after(10):
                while await at.it.store.subscriptions.ids():  # noqa: ASYNC110 (what is waited for stands in a store)
                    await anyio.sleep(0.01)
    assert len(at.receiver.requests) == 1


async def test_a_host_without_a_token_has_nothing_posted(at: Stage) -> None:
    for name in ("stdio", "loopback", "owner", "oauth:somebody"):
        async with Client(build_server(at.bridge, always(Principal(name, scopes=frozenset({"read"}))))) as client:
            with pytest.raises(MCPError) as caught:
                await at.subscribe(client)
            assert caught.value.error.code == -32012
    assert at.receiver.requests == []


async def test_an_authorization_server_s_client_has_the_scopes_of_its_last_token(at: Stage) -> None:
    allowed = Principal("oauth", "client", frozenset({"read", "send"}), channels=frozenset({"local"}))
    at.bridge._clients = (allowed,)  # pyright: ignore[reportPrivateUsage]
    who = Principal("oauth:app:ann", "client", frozenset({"read"}), channels=frozenset({"local"}))
    async with Client(build_server(at.bridge, always(who))) as client, at.posting():
        await at.subscribe(client, ttlMs=10**10)
        await at.said("hello")
        assert (await at.receiver.next())["data"]["text"] == "hello"
    found = await at.it.store.subscriptions.get(next(iter(await at.it.store.subscriptions.ids())))
    assert found is not None
    assert found.expires_at < time.time() + 3601, "its next token has to renew it"
    assert await at.bridge.client_now(who.name, frozenset({"read", "admin"})) == who


async def test_a_client_has_so_many_subscriptions_and_no_more(at: Stage) -> None:
    names = ("message.received", "message.sent", "turn.finished")
    for name in names:
        await at.subscribe(name=name)
    with pytest.raises(MCPError) as caught:
        await at.subscribe(name="approval.requested")
    assert (caught.value.error.code, caught.value.error.data) == (-32013, {"limit": "subscriptions_of_client"})
    assert (await at.subscribe(name=names[0]))["id"], "what is there can be renewed"
    for number in range(12):
        with pytest.raises(MCPError) as caught:
            await at.subscribe(delivery={"url": f"https://127.0.0.1:1/{number}"})
    assert caught.value.error.data == {"limit": "verifications"}, "nor can it have any number of hosts asked"


async def test_a_new_secret_signs_beside_the_old_one_for_a_while(at: Stage) -> None:
    async with at.posting():
        await at.subscribe()
        newer = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        await at.subscribe(delivery={"secret": newer})
        await at.said("one")
        await at.receiver.next()
        assert len(at.receiver.requests[-1]["headers"]["webhook-signature"].split()) == 2
        at.receiver.secret = newer
        await at.said("two")
        assert (await at.receiver.next())["data"]["text"] == "two"


async def test_events_that_were_forgotten_are_told_as_a_gap(at: Stage) -> None:
    await at.subscribe()
    await at.said("one")
    await at.said("two")
    await at.it.store.feed.prune(await at.it.store.feed.head())
    async with at.posting():
        assert (await at.receiver.next())["type"] == "gap"
        assert (await at.receiver.next())["data"]["text"] == "two"


async def test_secrets_and_addresses_of_callbacks_reach_no_log(at: Stage, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with at.posting():
            await at.subscribe(delivery={"url": at.receiver.url + "?token=hidden"})
            at.receiver.failing = ["500"]
            await at.said("one")
            await at.receiver.next()
            found = await at.it.store.subscriptions.get(next(iter(await at.it.store.subscriptions.ids())))
            logging.getLogger("test").info("%r", found)
    assert SECRET[6:] not in caplog.text
    assert "hidden" not in "".join(each.getMessage() for each in caplog.records if each.name.startswith("bridge_mcp"))


# -- where callbacks may be ------------------------------------------------------------------------------------------


@pytest.mark.shows("tools.events-public")
@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "localhost", "10.0.0.1", "192.168.1.1", "169.254.169.254"),
        *("0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]"),
        *("[fe80::1]", "[fd00::1]", "[2002:7f00:1::]", "100.64.0.1", "224.0.0.1"),
    ],
)
async def test_a_callback_that_is_not_public_is_refused(host: str) -> None:
    connected: list[Any] = []

    async def listening(reader: Any, writer: asyncio.StreamWriter) -> None:
        connected.append(writer)
        writer.close()

    server = await asyncio.start_server(listening, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(CallbackFailed, match="connection_refused"):
            await Callbacks().post(f"https://{host}:{port}/", "sub_1", "evt_1", "{}", [SECRET])
    assert connected == []


@pytest.mark.shows("tools.events-public")
async def test_a_name_is_checked_as_it_is_connected_to(at: Stage) -> None:
    """A name that is public when it is first asked for, and this machine the next time; and one that is both."""
    port = at.receiver.url.split(":")[2].split("/")[0]
    answers = [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::ffff:127.0.0.1"], []]
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers.pop(0)

    for _ in range(4):
        url = f"http://rebinds.example:{port}/hook"
        with pytest.raises(CallbackFailed, match="connection_refused"):
            await Callbacks(look_up=rebinding).post(url, "s", "evt_1", "{}", [SECRET])
    assert (len(asked), at.receiver.requests) == (4, [])


async def test_over_https_a_certificate_has_to_be_vouched_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = loopback_certificate(tmp_path)
    async with receiving(SECRET, certificate) as receiver:
        posts = Callbacks(frozenset({receiver.url.split("/")[2]}))
        with pytest.raises(CallbackFailed, match="tls_error"):
            await posts.post(receiver.url, "sub_1", "evt_1", '{"a":1}', [SECRET])
        assert receiver.requests == []
        trusting = ssl.create_default_context(cafile=str(certificate[0]))
        monkeypatch.setattr(callbacks, "tls", lambda: trusting)
        await posts.post(receiver.url, "sub_1", "evt_1", '{"a":1}', [SECRET])
        assert await receiver.next() == {"a": 1}


async def test_no_proxy_of_the_environment_is_used(at: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    await at.subscribe()
    assert len(at.receiver.requests) == 1


def test_where_an_owner_lets_callbacks_in_link_local_ones_stay_out() -> None:
    assert place_among(["::ffff:169.254.169.254"]) == "never"
    assert place_among(["64:ff9b::a9fe:a9fe"]) == "never"
    assert place_among(["2606:4700::1111"]) == "global"


def test_a_message_is_signed_as_the_library_verifies_it() -> None:
    from standardwebhooks import Webhook

    assert Webhook(SECRET).verify('{"a": 1}', signature_headers("evt_1", '{"a": 1}', [SECRET])) == {"a": 1}


# -- put together ----------------------------------------------------------------------------------------------------


async def test_by_the_config_of_an_owner(tmp_path: Path) -> None:
    async with receiving(SECRET) as receiver:
        host = receiver.url.split("/")[2]
        file = tmp_path / "bridge.toml"
        file.write_text(
            f'[channels.local]\ntype = "local"\n[events]\ndelivery = ["webhook"]\nlocal_hosts = ["{host}"]\n'
        )
        config = load_config(file, env={"BRIDGE_MCP_STATE_DIR": str(tmp_path / "state")})
        async with open_bridge(config) as assembly:
            who = await let_in(assembly.bridge, "watcher")
            async with Client(build_server(assembly.bridge, always(who))) as client:
                assert (await refused(client, "events/poll", name=EVENT))[0] == types.METHOD_NOT_FOUND
                delivery = {"mode": "webhook", "url": receiver.url, "secret": SECRET}
                await ask(client, "events/subscribe", name=EVENT, delivery=delivery)
                await assembly.bridge.say(OWNER, "local/main", "hello")
                assert (await receiver.next())["data"]["text"] == "hello"
