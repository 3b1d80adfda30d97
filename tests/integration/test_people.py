"""`quorum` and `separate` count people: nobody counts twice under two names, and no name adds a right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from bridge_mcp.core.errors import Denied
from bridge_mcp.core.people import People
from bridge_mcp.core.policy import Principal, Scope
from bridge_mcp.core.tools import JSON
from bridge_mcp.testing import FakeToolbox
from tests.integration.setup import HOST, OWNER, rules_for, world

APPROVES: frozenset[Scope] = frozenset({"read", "approve"})
PHONE = Principal("phone", "client", APPROVES, via="mcp")
LAPTOP = Principal("laptop", "client", APPROVES, via="mcp")
BOB = Principal("bob", "client", APPROVES, via="mcp")
STRANGER = Principal("stranger", "client", APPROVES, via="mcp")
STDIO = Principal("stdio", "client", frozenset({"read", "approve", "tools"}), via="mcp")
PEOPLE = People({"phone": "ann", "laptop": "ann", "bob": "bob", "owner": "olga"})


def box() -> FakeToolbox:
    made = FakeToolbox()

    @made.tool("files__put")
    async def put(arguments: Mapping[str, JSON]) -> str:
        return "done"

    return made


@pytest.mark.shows("approvals.quorum")
async def test_a_person_with_two_tokens_counts_once(tmp_path: Path) -> None:
    toolbox = box()
    async with world(tmp_path, toolbox=toolbox, rules=rules_for(quorum=2, people=PEOPLE)) as it:
        ticket = await it.bridge.call_tool(HOST, "files__put", {}, wait_s=5)
        (approval,) = ticket.approvals
        assert (await it.bridge.page_approvals(LAPTOP, mine=True)).count == 1
        await it.bridge.approve_call(PHONE, approval)
        again = await it.bridge.approve_call(LAPTOP, approval)
        assert (again.approval.status, again.approval.votes) == ("waiting", ("phone",))
        assert (await it.bridge.page_approvals(LAPTOP, mine=True)).count == 0
        assert toolbox.count("files__put") == 0
        second = await it.bridge.approve_call(BOB, approval)
        assert (second.approval.status, second.approval.decided_by) == ("approved", "phone, bob")
        assert (await it.bridge.wait_for(OWNER, ticket.id, timeout_s=10)).outcome == "ok"


@pytest.mark.shows("approvals.quorum")
async def test_who_is_not_named_is_not_counted_and_told_so(tmp_path: Path) -> None:
    async with world(tmp_path, toolbox=box(), rules=rules_for(quorum=2, people=PEOPLE)) as it:
        ticket = await it.bridge.call_tool(HOST, "files__put", {}, wait_s=5)
        (approval,) = ticket.approvals
        with pytest.raises(Denied, match="nobody says who stranger is") as refused:
            await it.bridge.approve_call(STRANGER, approval)
        assert "[people." in refused.value.fix
        rejected = await it.bridge.reject_call(STRANGER, approval, reason="no")
        assert rejected.approval.status == "rejected", "one no is enough, whoever says it"


async def test_owner_stdio_and_loopback_count_once_together(tmp_path: Path) -> None:
    async with world(tmp_path, toolbox=box(), rules=rules_for(quorum=2, people=PEOPLE)) as it:
        ticket = await it.bridge.call_tool(HOST, "files__put", {}, wait_s=5)
        (approval,) = ticket.approvals
        for who in (OWNER, STDIO, replace(STDIO, name="loopback")):
            assert (await it.bridge.approve_call(who, approval)).approval.status == "waiting"
        assert (await it.bridge.approve_call(BOB, approval)).approval.status == "approved"


@pytest.mark.shows("approvals.separate")
@pytest.mark.parametrize(
    ("asks", "decides"),
    [(replace(HOST, name="phone"), LAPTOP), (STDIO, OWNER), (replace(HOST, name="loopback"), STDIO)],
)
@pytest.mark.parametrize("separate", [True, False])
async def test_separate_keeps_a_person_from_deciding_under_another_name(
    tmp_path: Path, asks: Principal, decides: Principal, separate: bool
) -> None:
    async with world(
        tmp_path, toolbox=box(), rules=rules_for(separate=separate, people=PEOPLE, doors_decide=True)
    ) as it:
        ticket = await it.bridge.call_tool(asks, "files__put", {}, wait_s=5)
        (approval,) = ticket.approvals
        if separate:
            with pytest.raises(Denied, match="may not decide"):
                await it.bridge.approve_call(decides, approval)
            assert (await it.bridge.page_approvals(decides, mine=True)).count == 0
            await it.bridge.approve_call(BOB, approval)
        else:
            await it.bridge.approve_call(decides, approval)
        assert (await it.bridge.wait_for(OWNER, ticket.id, timeout_s=10)).outcome == "ok"


async def test_an_alias_adds_no_right(tmp_path: Path) -> None:
    reader = Principal("bob", "client", frozenset({"read"}))
    people = People({"bob": "ann", "phone": "ann"})
    async with world(tmp_path, toolbox=box(), rules=rules_for(people=people)) as it:
        ticket = await it.bridge.call_tool(HOST, "files__put", {}, wait_s=5)
        with pytest.raises(Denied, match="scope 'approve'"):
            await it.bridge.approve_call(reader, ticket.approvals[0])
