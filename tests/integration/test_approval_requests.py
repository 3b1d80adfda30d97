"""Verdicts for clients that run their own calls: asked for, taken once, reported; by whom, of what, and until when."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from bridge_mcp.core.approval_settings import ApprovalSettings, Reviewer
from bridge_mcp.core.entries import Finished, Started
from bridge_mcp.core.errors import AlreadyDecided, BadInput, Denied, KeyUsed, NotFound, TooEarly, TooMany
from bridge_mcp.core.policy import Principal, ToolRule
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.requests import asking_for_requests, request_server, request_tool, rules_for_requests
from bridge_mcp.core.results import Ticket
from bridge_mcp.core.tools import JSON
from bridge_mcp.operations.approval_requests import MAX_WAITING
from bridge_mcp.service import OWNER, Submission
from bridge_mcp.service.requesting import REPORT_S
from bridge_mcp.testing import ManualClock
from tests.integration.setup import SUPERVISOR, World, rules_for, world

pytestmark = pytest.mark.either_store

AGENT = Principal("agent", "client", frozenset({"tools", "read"}))
OTHER = Principal("other", "client", frozenset({"tools", "read", "approve"}))
REFUND = Submission("refund", {"amount": 5}, "charged twice")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[World]:
    async with world(tmp_path, rules=rules_for(provider=True), clock=ManualClock(1_000_000.0)) as made:
        yield made


async def asked(here: World, call: Submission = REFUND, who: Principal = AGENT) -> tuple[Ticket, Approval]:
    """A call that waits, and its approval."""
    ticket = await here.bridge.request_approval(who, call)
    (approval,) = await here.approvals()
    return ticket, approval


async def approved(here: World, arguments: dict[str, JSON] | None = None) -> Ticket:
    """The ticket of a call that may run."""
    ticket, approval = await asked(here)
    await here.bridge.approve_call(SUPERVISOR, approval.id, digest=approval.digest, arguments=arguments, note="fine")
    return await here.bridge.wait_for(AGENT, ticket.id, timeout_s=5)


def digest_of(ticket: Ticket) -> str:
    return json.loads(ticket.structured)["digest"]


@pytest.mark.shows("approvals.provider")
async def test_a_call_that_was_approved_is_taken_once_and_reported(here: World) -> None:
    ticket, approval = await asked(here)
    assert ticket.state == "open"
    assert (approval.tool, approval.requested_by) == ("request:agent__refund", "agent")
    assert "agent says: charged twice" in approval.reason
    await here.bridge.approve_call(SUPERVISOR, approval.id, digest=approval.digest, note="fine")
    done = await here.bridge.wait_for(AGENT, ticket.id, timeout_s=5)
    assert (done.state, done.outcome, done.text) == ("done", "approved", "fine")
    assert digest_of(done) == approval.digest

    taken = await here.bridge.consume_approval(AGENT, ticket.id, digest=approval.digest, idempotency_key="run 1")
    assert taken.arguments == '{"amount":5}'
    assert (await here.bridge.wait_for(AGENT, ticket.id)).outcome == "consumed"
    assert (
        await here.bridge.consume_approval(AGENT, ticket.id, digest=approval.digest, idempotency_key="run 1") == taken
    )
    for key in ("run 2", ""):
        with pytest.raises(AlreadyDecided, match="taken before"):
            await here.bridge.consume_approval(AGENT, ticket.id, digest=approval.digest, idempotency_key=key)

    over = await here.bridge.report_outcome(AGENT, ticket.id, "ok", "refunded")
    assert (over.outcome, over.text) == ("ok", "refunded")
    assert (await here.bridge.report_outcome(AGENT, ticket.id, "ok", "refunded")).outcome == "ok"
    with pytest.raises(AlreadyDecided, match="another one"):
        await here.bridge.report_outcome(AGENT, ticket.id, "error", "no")
    log = await here.store.log.load(ticket.conversation)
    assert [type(each.entry).__name__ for each in log] == ["Requested", "Asked", "Judged", "Started", "Finished"]


async def test_of_many_who_come_for_a_verdict_at_once_one_takes_it(here: World) -> None:
    done = await approved(here)
    taken: list[str] = []

    async def take(key: str) -> None:
        with suppress(AlreadyDecided):
            await here.bridge.consume_approval(AGENT, done.id, digest=digest_of(done), idempotency_key=key)
            taken.append(key)

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(take, str(number))
    assert len(taken) == 1
    log = [each.entry for each in await here.store.log.load(done.conversation)]
    assert [each.claim for each in log if isinstance(each, Started)] == taken


async def test_edited_arguments_come_with_the_verdict_and_only_their_digest_takes_it(here: World) -> None:
    done = await approved(here, {"amount": 3})
    assert '"arguments":{"amount":3}' in done.structured
    assert '"edited":true' in done.structured
    approval = (await here.bridge.list_approvals(OWNER, status="any"))[0]
    assert approval.digest != digest_of(done)
    with pytest.raises(BadInput, match="digest"):
        await here.bridge.consume_approval(AGENT, done.id, digest=approval.digest)
    taken = await here.bridge.consume_approval(AGENT, done.id, digest=digest_of(done))
    assert taken.arguments == '{"amount":3}'


async def test_nobody_takes_or_reports_but_who_asked(here: World) -> None:
    done = await approved(here)
    for who in (OTHER, OWNER, replace(AGENT, name="agen")):
        with pytest.raises(NotFound):
            await here.bridge.consume_approval(who, done.id, digest=digest_of(done))
    await here.bridge.consume_approval(AGENT, done.id, digest=digest_of(done))
    with pytest.raises(NotFound):
        await here.bridge.report_outcome(OTHER, done.id, "ok")
    with pytest.raises(BadInput):
        await here.bridge.consume_approval(AGENT, "turn:local/main#0", digest="")


async def test_nothing_is_taken_without_a_yes(here: World) -> None:
    ticket, approval = await asked(here)
    with pytest.raises(TooEarly):
        await here.bridge.consume_approval(AGENT, ticket.id, digest=approval.digest)
    with pytest.raises(TooEarly):
        await here.bridge.report_outcome(AGENT, ticket.id, "ok")
    await here.bridge.reject_call(SUPERVISOR, approval.id, reason="too much")
    done = await here.bridge.wait_for(AGENT, ticket.id, timeout_s=5)
    assert (done.outcome, done.text) == ("rejected", "too much")
    with pytest.raises(AlreadyDecided, match=r"rejected \(too much\)"):
        await here.bridge.consume_approval(AGENT, ticket.id, digest=approval.digest)


async def test_time_ends_a_question_a_verdict_and_a_run(here: World) -> None:
    assert isinstance(here.clock, ManualClock)
    late = await here.bridge.request_approval(AGENT, replace(REFUND, expires_s=30.0))
    await here.approvals()
    here.clock.advance(31)
    assert (await here.bridge.wait_for(AGENT, late.id, timeout_s=5)).outcome == "expired"

    done = await approved(here)
    here.clock.advance(601)
    with pytest.raises(AlreadyDecided, match="time to run it is over"):
        await here.bridge.consume_approval(AGENT, done.id, digest=digest_of(done))
    assert (await here.bridge.wait_for(AGENT, done.id)).outcome == "undelivered"

    run = await approved(here)
    await here.bridge.consume_approval(AGENT, run.id, digest=digest_of(run))
    here.clock.advance(REPORT_S + 1)
    with pytest.raises(AlreadyDecided, match="another one"):
        await here.bridge.report_outcome(AGENT, run.id, "ok")
    assert (await here.bridge.wait_for(AGENT, run.id)).outcome == "unknown"


async def test_a_question_ends_though_no_engine_is_there(tmp_path: Path) -> None:
    clock = ManualClock(1_000_000.0)
    async with world(tmp_path, rules=rules_for(provider=True), clock=clock, engine=False) as here:
        ticket = await here.bridge.request_approval(AGENT, replace(REFUND, expires_s=30.0), idempotency_key="k")
        clock.advance(31)
        again = await here.bridge.request_approval(AGENT, replace(REFUND, expires_s=30.0), idempotency_key="k")
        assert (again.id, again.outcome) == (ticket.id, "expired")


async def test_the_same_key_is_the_same_call(here: World) -> None:
    one = await here.bridge.request_approval(AGENT, REFUND, idempotency_key="k")
    assert (await here.bridge.request_approval(AGENT, REFUND, idempotency_key="k")).id == one.id
    with pytest.raises(KeyUsed, match="another call"):
        await here.bridge.request_approval(AGENT, replace(REFUND, arguments={"amount": 6}), idempotency_key="k")
    assert (await here.bridge.request_approval(OTHER, REFUND, idempotency_key="k")).id != one.id


async def test_whoever_asked_may_not_decide(here: World) -> None:
    _, approval = await asked(here, who=OTHER)
    with pytest.raises(Denied, match="may not decide"):
        await here.bridge.approve_call(OTHER, approval.id)


@pytest.mark.parametrize(
    "changes",
    [
        {"confirmation": "never"},
        {"tools": (ToolRule("*", {"confirmation": "never"}), ToolRule("*refund", {"confirmation": "never"}))},
        {"tools": (ToolRule("refund", {"confirmation": "never"}), ToolRule("agent__*", {"confirmation": "never"}))},
    ],
)
@pytest.mark.shows("approvals.provider-names")
async def test_no_word_about_other_tools_frees_a_call(tmp_path: Path, changes: dict[str, object]) -> None:
    async with world(tmp_path, rules=rules_for(provider=True, **changes)) as here:
        assert (await asked(here))[0].state == "open"


async def test_a_rule_that_names_the_client_frees_a_call_at_once_and_the_record_says_so(tmp_path: Path) -> None:
    rule = ToolRule("request:agent__look_*", {"confirmation": "never"})
    async with world(tmp_path, rules=rules_for(provider=True, tools=(rule,))) as here:
        looks = Submission("look_up", {"id": 1})
        done = await here.bridge.request_approval(AGENT, looks)
        assert done.outcome == "approved"
        (approval,) = await here.bridge.list_approvals(OWNER, status="approved")
        assert (approval.decided_by, approval.decided_via, approval.digest) == ("policy", "rule", digest_of(done))
        await here.bridge.consume_approval(AGENT, done.id, digest=approval.digest)
        assert (await here.bridge.request_approval(OTHER, looks)).state == "open"


async def test_what_is_remembered_holds_for_that_client_and_tool_alone(here: World) -> None:
    _, approval = await asked(here)
    await here.bridge.approve_call(SUPERVISOR, approval.id, remember="always")
    assert (await here.bridge.request_approval(AGENT, REFUND)).outcome == "approved"
    assert (await here.bridge.request_approval(OTHER, REFUND)).state == "open"
    assert (await here.bridge.request_approval(AGENT, replace(REFUND, tool="refunds"))).state == "open"
    assert (await here.bridge.request_approval(AGENT, replace(REFUND, server="shop"))).state == "open"


def test_a_reviewer_of_other_tools_may_only_advise_on_these() -> None:
    decides = Reviewer("small", "policy.md", "approve")
    general, own = rules_for_requests(
        (ToolRule("*", {"review": decides}), ToolRule("request:agent__*", {"review": decides}))
    )
    assert general.says == {"review": replace(decides, may="advise")}
    assert own.says == {"review": decides}
    asking = asking_for_requests(ApprovalSettings(confirmation="never", review=decides))
    assert (asking.confirmation, asking.review) == ("by-annotation", replace(decides, may="advise"))


def test_no_two_clients_and_no_two_tools_have_the_same_name() -> None:
    clients = ("a", "a__b", "a_", "_a", "a-b", "oauth:a:b", "oauth:a__b", "A", "a" * 64, "stdio")
    tools = (("", "t"), ("", "b__t"), ("", "_b__t"), ("", "s/t"), ("s", "t"), ("", "s%2Ft"), ("s/t", "u"), ("s", "t/u"))
    names = [f"{request_server(client)}__{request_tool(tool, server)}" for client in clients for server, tool in tools]
    assert len(set(names)) == len(names)


async def test_what_is_asked_is_bounded(here: World) -> None:
    deep: JSON = 1
    for _ in range(200):
        deep = [deep]
    for bad in (
        replace(REFUND, tool=""),
        replace(REFUND, tool="x" * 201),
        replace(REFUND, tool="a\u202eb"),
        replace(REFUND, tool="a`b"),
        replace(REFUND, arguments={"x": "y" * 1_000_001}),
        replace(REFUND, arguments={"x": deep}),
        replace(REFUND, reason="y" * 2_001),
        replace(REFUND, expires_s=-1.0),
        replace(REFUND, given="x" * 64_001),
    ):
        with pytest.raises(BadInput):
            await here.bridge.request_approval(AGENT, bad)
    assert not await here.bridge.list_approvals(OWNER)


async def test_a_client_has_so_many_calls_that_wait_and_no_more(tmp_path: Path) -> None:
    async with world(tmp_path, rules=rules_for(provider=True), engine=False) as here:
        for _ in range(MAX_WAITING):
            await here.bridge.request_approval(AGENT, REFUND)
        with pytest.raises(TooMany):
            await here.bridge.request_approval(AGENT, REFUND)
        await here.bridge.request_approval(OTHER, REFUND)


async def test_it_is_refused_where_the_owner_has_not_switched_it_on_and_without_the_scope(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        with pytest.raises(Denied, match="provider = true"):
            await here.bridge.request_approval(AGENT, REFUND)
    async with world(tmp_path, rules=rules_for(provider=True)) as here:
        with pytest.raises(Denied, match="'tools'"):
            await here.bridge.request_approval(SUPERVISOR, REFUND)


async def test_a_verdict_outlives_the_engine_and_every_process(tmp_path: Path) -> None:
    async with world(tmp_path, rules=rules_for(provider=True)) as here:
        done = await approved(here)
    async with world(tmp_path, rules=rules_for(provider=True), engine=False) as here:
        taken = await here.bridge.consume_approval(AGENT, done.id, digest=digest_of(done), idempotency_key="k")
    async with world(tmp_path, rules=rules_for(provider=True)) as here:
        again = await here.bridge.consume_approval(AGENT, done.id, digest=digest_of(done), idempotency_key="k")
        assert again == taken
        await here.bridge.report_outcome(AGENT, done.id, "error", "no such payment")
        log = [each.entry for each in await here.store.log.load(done.conversation)]
        assert [each.claim for each in log if isinstance(each, Started)] == ["k"]
        assert [each.outcome for each in log if isinstance(each, Finished)] == ["error"]
