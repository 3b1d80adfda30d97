"""Instances and webhooks of the Agent Approval Protocol, with the receiver of its published client behind a socket."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.lowlevel
import httpx
import pytest
from agentapprovalprotocol import Receiver
from agentapprovalprotocol._client import ProvisionError, WebhookVerificationFailed
from agentapprovalprotocol.receiver import new_secret
from aiohttp import web

from bridge_mcp.core.policy import Scope
from bridge_mcp.ports import EventRules
from bridge_mcp.server.events.callbacks import Callbacks
from bridge_mcp.server.events.deliveries import EventDeliveries
from bridge_mcp.service import OWNER
from tests.integration.setup import World, rules_for, world
from tests.integration.test_aap import REFUND, Provider
from tests.integration.test_scopes import serving

HOOK = {"type": "webhook", "url": "https://h/", "registration_id": "r", "signing_secret": new_secret()}
Failing = Literal["", "500", "hang", "redirect", "410"]


@dataclass
class Agent:
    """An agent's own server: the published receiver, which may fail, and what it has been sent."""

    receiver: Receiver
    url: str = ""
    failing: list[Failing] = field(default_factory=list[Failing])
    sent: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    elsewhere: int = 0
    woken: asyncio.Queue[Mapping[str, Any]] = field(default_factory=asyncio.Queue[Mapping[str, Any]])
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.StreamResponse:
        if request.path != "/aap/events":
            self.elsewhere += 1
            return web.Response(status=200)
        raw = await request.read()
        how = self.failing.pop(0) if self.failing else ""
        async with self.came:
            self.sent.append({**json.loads(raw), "webhook-id": request.headers["webhook-id"]})
            self.came.notify_all()
        if how == "redirect":
            return web.Response(status=307, headers={"location": "/elsewhere"})
        if how == "hang":
            await asyncio.Event().wait()
        if how:
            return web.Response(status=int(how))
        status, body = await self.receiver.handle(request.headers, raw)
        return web.Response(status=status, body=body)

    async def resolved(self, count: int) -> list[dict[str, Any]]:
        """The messages about verdicts, once there are so many."""
        async with asyncio.timeout(10), self.came:
            await self.came.wait_for(lambda: sum(each["type"] == "request.resolved" for each in self.sent) >= count)
        return [each for each in self.sent if each["type"] == "request.resolved"]


@asynccontextmanager
async def agent() -> AsyncGenerator[Agent]:
    made = Agent(Receiver(resumers={}))

    async def resume(handle: Mapping[str, Any], request: object) -> None:
        made.woken.put_nowait(handle)

    made.receiver.resumers["test"] = resume
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}/aap/events"
    try:
        yield made
    finally:
        await runner.cleanup()


@dataclass
class Fleet(Provider):
    """The same, with an agent's server, and a token that may make instances."""

    agent: Agent
    provisioner: str

    async def provision(self, **more: Any) -> Any:
        return await self.agent.receiver.provision(
            provider_url=self.url, provisioner_token=self.provisioner, url=self.agent.url, **more
        )


@asynccontextmanager
async def posting(here: World, timeout_s: float = 0.5) -> AsyncGenerator[None]:
    """The lane of an engine that posts."""
    posts = Callbacks(here.rules.events.local_hosts, timeout_s=timeout_s)
    lane = EventDeliveries(here.bridge, here.clock, posts, first_pause_s=0.02)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lane.run)
        yield
        tasks.cancel_scope.cancel()


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncGenerator[Fleet]:
    async with agent() as server:
        events = EventRules(poll=False, webhooks=False, local_hosts=frozenset({server.url.split("/")[2]}), of_client=3)
        async with world(tmp_path, rules=rules_for(provider=True, events=events)) as here:
            scopes: frozenset[Scope] = frozenset({"admin"})
            _, token = await here.bridge.add_client(OWNER, "platform", scopes=scopes)
            async with serving(here.bridge) as address, httpx.AsyncClient(timeout=40.0) as http:
                yield Fleet(here, address.replace("/mcp", "/aap"), "", http, server, token)


@pytest.mark.shows("approvals.provider-instances")
async def test_the_published_receiver_provisions_itself_and_is_woken_by_a_verdict(fleet: Fleet) -> None:
    made = await fleet.provision(instance_name="Refunds, west")
    assert made.instance_name == "Refunds, west"
    clients = {each.name: each for each in await fleet.here.bridge.list_clients(OWNER)}
    (name,) = [each for each in clients if each.startswith("Refunds-west.")]
    assert clients[name].scopes == {"tools"}
    client = fleet.client(made.token)
    other = fleet.client(await fleet.token_of("other"))
    async with posting(fleet.here):
        await other.create(REFUND, "theirs")
        await fleet.decide()
        request = await client.create({**REFUND, "context": {"resume": {"framework": "test", "run": 7}}}, "key 1")
        await fleet.decide(note="fine")
        (told,) = await fleet.agent.resolved(1)
        assert (told["request_id"], told["instance_id"]) == (request.id, made.instance_id)
        assert told["id"] == told["webhook-id"]
        assert "arguments" not in told, "it says which one, and nothing of it"
        async with asyncio.timeout(5):
            assert await fleet.agent.woken.get() == {"framework": "test", "run": 7}
        assert (await client.consume(request.id, "c")).consumption is not None
        await client.create(REFUND, "key 2")
        await fleet.decide(approve=False)
        assert len(await fleet.agent.resolved(2)) == 2


async def test_a_receiver_that_fails_is_told_again_under_the_same_id(fleet: Fleet) -> None:
    made = await fleet.provision()
    client = fleet.client(made.token)
    fleet.agent.failing = ["500", "hang", "redirect"]
    request = await client.create(REFUND, "key")
    await fleet.decide()
    async with posting(fleet.here):
        told = await fleet.agent.resolved(4)
    assert {each["id"] for each in told} == {told[0]["id"]}
    assert {each["request_id"] for each in told} == {request.id}
    assert fleet.agent.elsewhere == 0, "no redirect is followed"
    async with posting(fleet.here):
        await client.create(REFUND, "another")
        await fleet.decide()
        count = 5
        while len({each["id"] for each in await fleet.agent.resolved(count)}) < 2:  # the last one may come once more
            count += 1


@pytest.mark.parametrize("failing", ["500", "redirect", "410", "hang"])
async def test_a_receiver_that_does_not_agree_gets_no_instance(
    fleet: Fleet, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge_mcp.server.events.callbacks.POST_S", 0.5)
    fleet.agent.failing = [failing]
    if failing == "hang":
        fleet.agent.receiver.tolerance = -1  # refuses what is signed: the answer comes, and is no
        fleet.agent.failing = []
    with pytest.raises(WebhookVerificationFailed):
        await fleet.provision()
    assert [each.name for each in await fleet.here.bridge.list_clients(OWNER)] == ["platform"]
    assert fleet.agent.elsewhere == 0
    assert await fleet.here.store.subscriptions.ids() == frozenset()


async def test_another_receiver_than_the_one_that_registered_does_not_agree(fleet: Fleet) -> None:
    """Whoever can name a URL cannot have it sent verdicts: the receiver there knows neither registration nor secret."""
    mine = Receiver(resumers={}, secret=new_secret(), registration_id="mine")
    fleet.agent.receiver.secret, fleet.agent.receiver.registration_id = new_secret(), "another"
    with pytest.raises(WebhookVerificationFailed):
        await mine.provision(provider_url=fleet.url, provisioner_token=fleet.provisioner, url=fleet.agent.url)
    with pytest.raises(ProvisionError) as refused:
        await mine.provision(
            provider_url=fleet.url, provisioner_token=fleet.provisioner, url="https://127.0.0.1:1/", instance_name="x"
        )
    assert refused.value.status == 422, "an address that is not public is never asked"


async def test_who_may_make_instances_and_how_often_one_is_made(fleet: Fleet) -> None:
    fleet.agent.receiver.secret, fleet.agent.receiver.registration_id = new_secret(), "r"
    first, again = await asyncio.gather(fleet.provision(), fleet.provision())
    assert first.token == again.token, "the same key makes one"
    assert len(await fleet.here.bridge.list_clients(OWNER)) == 2
    with pytest.raises(ProvisionError) as conflict:
        await fleet.provision(instance_name="another")
    assert (conflict.value.status, conflict.value.code) == (409, "idempotency_conflict")
    for token in (first.token, "wrong"):
        fleet.provisioner = token
        with pytest.raises(ProvisionError) as refused:
            await fleet.provision(idempotency_key="k2")
        assert refused.value.status == (403 if token == first.token else 401)


async def test_another_client_of_the_same_name_is_not_told_what_the_first_one_made(fleet: Fleet) -> None:
    bridge = fleet.here.bridge

    async def made(token: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}", "idempotency-key": "k"}
        return await fleet.http.post(f"{fleet.url}/v1/instances", json={"instance_name": "x"}, headers=headers)

    first = await made(fleet.provisioner)
    await bridge.revoke_client(OWNER, "platform")
    _, token = await bridge.add_client(OWNER, "platform", scopes=("admin",))
    second = await made(token)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json()["credential"] != first.json()["credential"]


async def test_a_revoked_instance_is_told_nothing_more(fleet: Fleet) -> None:
    made = await fleet.provision()
    await fleet.client(made.token).create(REFUND, "key")
    (name,) = [each.name for each in await fleet.here.bridge.list_clients(OWNER) if each.name != "platform"]
    await fleet.here.bridge.revoke_client(OWNER, name)
    await fleet.decide()
    assert await fleet.here.store.subscriptions.ids() == frozenset()
    async with posting(fleet.here):
        await anyio.lowlevel.checkpoint()
    assert all(each["type"] != "request.resolved" for each in fleet.agent.sent)


@pytest.mark.parametrize(
    "body",
    [
        {"delivery": {"type": "webhook"}},
        {"delivery": {**HOOK, "type": "email"}},
        {"delivery": {**HOOK, "signing_secret": "whsec_c2hvcnQ="}},
        {"delivery": {**HOOK, "url": "http://h/"}},
        {"delivery": {**HOOK, "registration_id": ""}},
        {"instance_name": 7},
        {"instance_name": "x" * 101},
        {"unknown": 1},
        {"delivery": "no"},
    ],
)
async def test_what_is_off_is_refused_without_a_word_of_the_secret(
    fleet: Fleet, body: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"authorization": f"Bearer {fleet.provisioner}", "idempotency-key": "k"}
    with caplog.at_level(logging.DEBUG):
        answer = await fleet.http.post(f"{fleet.url}/v1/instances", json=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_input"
    secret = str(body.get("delivery", {}).get("signing_secret", "")) if isinstance(body.get("delivery"), dict) else ""
    assert not secret or secret[6:] not in answer.text + caplog.text
    assert len(await fleet.here.bridge.list_clients(OWNER)) == 1
