"""The Agent Approval Protocol as its published client speaks it, against `serve --http` over a real bridge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from agentapprovalprotocol import AsyncClient, AsyncGate, Call, Deny
from agentapprovalprotocol._client import AAPError, ConflictError, CredentialRefused, NotFound
from agentapprovalprotocol._wire import Request

from bridge_mcp.core.policy import Scope, ToolRule
from bridge_mcp.ports import Clock
from bridge_mcp.service import OWNER
from bridge_mcp.testing import ManualClock
from tests.integration.setup import SUPERVISOR, World, rules_for, world
from tests.integration.test_scopes import serving

REFUND: dict[str, Any] = {
    "tool": "issue_refund",
    "server": "shop/eu",
    "arguments": {"payment_id": "payment_123", "amount": 49.5, "lines": [1, None, True, "ä"]},
    "timeout": "30m",
    "agent_reasoning": "The customer was charged twice.",
    "context": {"session_id": "s 1", "nested": {"a": [1]}},
}


@dataclass
class Provider:
    """A bridge that gives verdicts, and its address."""

    here: World
    url: str
    token: str
    http: httpx.AsyncClient

    def client(self, token: str = "", budget_s: float = 5.0) -> AsyncClient:
        return AsyncClient(self.url, token or self.token, http=self.http, retry_budget=budget_s)

    async def token_of(self, name: str, scope: Scope = "tools") -> str:
        return (await self.here.bridge.add_client(OWNER, name, scopes=frozenset({scope})))[1]

    async def decide(self, *, approve: bool = True, note: str = "") -> None:
        approval = (await self.here.approvals())[-1]
        if approve:
            await self.here.bridge.approve_call(SUPERVISOR, approval.id, digest=approval.digest, note=note)
        else:
            await self.here.bridge.reject_call(SUPERVISOR, approval.id, reason=note)


@asynccontextmanager
async def providing(folder: Path, clock: Clock | None = None, **changes: Any) -> AsyncGenerator[Provider]:
    async with world(folder, rules=rules_for(provider=True, **changes), clock=clock) as here:
        _, token = await here.bridge.add_client(OWNER, "agent", scopes=frozenset({"tools"}))
        async with serving(here.bridge) as address, httpx.AsyncClient(timeout=40.0) as http:
            yield Provider(here, address.replace("/mcp", "/aap"), token, http)


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncGenerator[Provider]:
    async with providing(tmp_path) as found:
        yield found


async def refused(act: Awaitable[object]) -> str:
    """The code with which an act is refused as a conflict."""
    with pytest.raises(ConflictError) as conflict:
        await act
    return conflict.value.code


@pytest.mark.shows("approvals.provider-aap")
async def test_the_published_gate_runs_what_was_approved_and_tells_the_outcome(provider: Provider) -> None:
    gate = AsyncGate(provider.client())
    call = Call(key="run 1:call 1", tool="refund", arguments={"amount": 5}, reasoning="charged twice")
    deciding = asyncio.create_task(provider.decide(note="fine"))
    async with gate.guard(call) as verdict:
        assert verdict
    await deciding
    (approval,) = await provider.here.bridge.list_approvals(OWNER, status="approved")
    assert approval.tool == "request:agent__refund"
    assert "agent says: charged twice" in approval.reason
    record = await provider.here.bridge.wait_for(OWNER, f"call:{approval.conversation}")
    assert record.outcome == "ok"
    again = await gate.check(call)
    assert isinstance(again, Deny)
    assert again.status == "consumed"


async def test_a_denied_call_tells_why(provider: Provider) -> None:
    deciding = asyncio.create_task(provider.decide(approve=False, note="not that much"))
    verdict = await AsyncGate(provider.client()).check(Call(key="1", tool="refund", arguments={}))
    await deciding
    assert isinstance(verdict, Deny)
    assert (verdict.status, "not that much" in verdict.reason) == ("denied", True)


async def test_a_request_is_told_again_as_it_was_given_through_its_life(provider: Provider) -> None:
    client = provider.client()
    made = await client.create(REFUND, "key 1")
    assert made.status == "pending"
    assert (made.server, made.timeout, made.agent_reasoning) == ("shop/eu", "30m", REFUND["agent_reasoning"])
    assert made.context == REFUND["context"]
    assert 590 < (made.deadline_at - made.created_at).total_seconds() <= 600, "as the settings say, which is less"
    assert await client.create(REFUND, "key 1") == made
    assert await refused(client.create(REFUND | {"timeout": "31m"}, "key 1")) == "idempotency_conflict"
    assert await refused(client.consume(made.id, "take 1")) == "not_approved"
    assert await refused(client.report_outcome(made.id, "succeeded")) == "not_consumed"

    polled = asyncio.create_task(client.get(made.id, wait=20))
    await provider.decide(note="fine")
    found = await polled
    assert found.decision is not None
    assert (found.status, found.decision.note, found.deadline_at) == ("approved", "fine", made.deadline_at)
    assert await refused(client.cancel(made.id)) == "already_terminal"

    taken = await client.consume(made.id, "take 1")
    assert taken.consumption is not None
    assert await client.consume(made.id, "take 1") == taken
    assert await refused(client.consume(made.id, "take 2")) == "already_consumed"
    told = await client.report_outcome(made.id, "failed", "no such payment")
    assert told.consumption is not None
    assert told.consumption.outcome is not None
    assert (told.consumption.outcome.status, told.consumption.outcome.note) == ("failed", "no such payment")
    assert await client.report_outcome(made.id, "failed", "no such payment") == told
    assert await refused(client.report_outcome(made.id, "succeeded")) == "outcome_conflict"


async def test_a_request_is_taken_back_while_it_waits(provider: Provider) -> None:
    client = provider.client()
    made = await client.create(REFUND, "key")
    await provider.here.approvals()
    taken_back = await client.cancel(made.id)
    assert taken_back.status == "cancelled"
    assert (await client.cancel(made.id)).decision == taken_back.decision
    assert not await provider.here.bridge.list_approvals(OWNER)
    assert await refused(client.consume(made.id, "k")) == "not_approved"


async def test_a_request_is_its_clients_alone(provider: Provider) -> None:
    made = await provider.client().create(REFUND, "key")
    await provider.decide()
    other = provider.client(await provider.token_of("other"))
    acts = [other.get(made.id), other.consume(made.id, "k"), other.cancel(made.id)]
    for act in [*acts, other.report_outcome(made.id, "failed")]:
        with pytest.raises(NotFound):
            await act
    assert (await other.create(REFUND, "key")).id != made.id
    for token in (await provider.token_of("reader", "read"), "a token that nobody has given out"):
        with pytest.raises(CredentialRefused):
            await provider.client(token).create(REFUND, "key")
    assert (await provider.client().get(made.id)).consumption is None


async def test_time_ends_a_request_and_an_approval(tmp_path: Path) -> None:
    clock = ManualClock()
    async with providing(tmp_path, clock=clock) as provider:
        client = provider.client()
        made = await client.create(REFUND | {"timeout": "2m"}, "key 1")
        assert (made.deadline_at - made.created_at).total_seconds() == 120
        clock.advance(121)
        assert (await client.get(made.id)).status == "expired"
        late = await client.create(REFUND, "key 2")
        await provider.decide()
        approved: Request = await client.get(late.id)
        assert approved.decision is not None
        assert approved.decision.expires_at is not None
        clock.advance((approved.decision.expires_at - approved.decision.decided_at).total_seconds())
        assert await refused(client.consume(late.id, "k")) == "approval_expired"
        assert (await client.get(late.id)).decision == approved.decision


async def test_an_approver_cannot_edit_what_its_caller_runs_as_it_is(provider: Provider) -> None:
    await provider.client().create(REFUND, "key")
    (approval,) = await provider.here.approvals()
    with pytest.raises(Exception, match="only as it is"):
        await provider.here.bridge.approve_call(SUPERVISOR, approval.id, arguments={})


async def test_what_a_rule_frees_is_approved_in_the_first_answer_and_stays_so(tmp_path: Path) -> None:
    rule = ToolRule("request:agent__look", {"confirmation": "never"})
    async with providing(tmp_path, tools=(rule,)) as provider:
        made = await provider.client().create({"tool": "look", "arguments": {}, "timeout": "1m"}, "key")
        assert made.status == "approved"
        assert (await provider.client().consume(made.id, "k")).consumption is not None


async def test_what_is_no_request_is_refused_in_the_protocols_form(provider: Provider) -> None:
    head = {"authorization": f"Bearer {provider.token}"}
    keyed = head | {"idempotency-key": "k"}
    nobody = "7ab8c8ec-7b2d-4fd6-9b52-752f9515eb71"
    deep = '{"tool":"t","timeout":"1m","arguments":{"a":' + "[" * 300 + "]" * 300 + "}}"
    cases: list[tuple[str, str, dict[str, str], str | None, int, str]] = [
        ("POST", "/v1/requests", keyed, "{", 400, "bad_input"),
        ("POST", "/v1/requests", keyed, "[]", 400, "bad_input"),
        ("POST", "/v1/requests", keyed, '{"tool":"t","arguments":{}}', 400, "bad_input"),
        ("POST", "/v1/requests", keyed, '{"tool":"t","arguments":{},"timeout":"5"}', 400, "bad_input"),
        ("POST", "/v1/requests", keyed, '{"tool":"t","arguments":{},"timeout":"5m","more":1}', 400, "bad_input"),
        ("POST", "/v1/requests", keyed, '{"tool":"t","arguments":{},"timeout":"5m","server":null}', 400, "bad_input"),
        ("POST", "/v1/requests", keyed, '{"tool":"t","tool":"u","arguments":{},"timeout":"5m"}', 400, "bad_input"),
        ("POST", "/v1/requests", keyed, deep, 400, "bad_input"),
        ("POST", "/v1/requests", keyed, "x" * 1_300_000, 413, "too_large"),
        ("POST", "/v1/requests", head, "{}", 400, "missing_idempotency_key"),
        ("POST", "/v1/requests", {}, "{}", 401, "unauthorized"),
        ("GET", "/v1/requests", head, None, 404, "not_found"),
        ("GET", f"/v1/requests/{nobody}", head, None, 404, "not_found"),
        ("GET", "/v1/requests/x", head, None, 404, "not_found"),
        ("PATCH", f"/v1/requests/{nobody}", head, None, 404, "not_found"),
        ("GET", "/v2", head, None, 404, "not_found"),
        ("POST", "/v1/instances", keyed, "{}", 403, "denied"),
        ("GET", "/v1/instances", keyed, "", 405, "method_not_allowed"),
    ]
    for method, path, headers, body, status, code in cases:
        answer = await provider.http.request(method, provider.url + path, headers=headers, content=body)
        error = answer.json()["error"]
        assert (answer.status_code, error["request_id"]) == (status, answer.headers["x-request-id"]), (path, body)
        assert set(error) == {"type", "code", "message", "request_id"}
        if status != 401:
            assert error["code"] == code, (path, body)
    assert not await provider.here.bridge.list_approvals(OWNER)


async def test_there_is_nothing_where_the_owner_has_not_switched_it_on(tmp_path: Path) -> None:
    async with world(tmp_path, engine=False) as here:
        _, token = await here.bridge.add_client(OWNER, "agent", scopes=frozenset({"tools"}))
        async with serving(here.bridge) as address, httpx.AsyncClient() as http:
            client = AsyncClient(address.replace("/mcp", "/aap"), token, http=http)
            with pytest.raises((NotFound, AAPError)):
                await client.create(REFUND, "key")
