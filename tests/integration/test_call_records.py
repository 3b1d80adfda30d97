"""Who asked, what exactly, who decided by which path, what ran, what came back: a page of messages tells on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client

from bridge_mcp.core.errors import NotFound
from bridge_mcp.core.people import People
from bridge_mcp.core.policy import Principal, Scope, ToolRule
from bridge_mcp.ports import ModelReply
from bridge_mcp.server.app import always, build_server
from bridge_mcp.testing import FakeModel, calls, says
from tests.integration.face_clients import MODES, answer
from tests.integration.setup import HOST, OWNER, rules_for, world
from tests.integration.test_turns import files

MAY: frozenset[Scope] = frozenset({"read", "approve"})
BOB = Principal("bob", "client", MAY, via="mcp")
CAROL = Principal("carol", "client", MAY, via="cli")
HERE = "local/main"


def deletes(*paths: str) -> ModelReply:
    return calls(*(("files__delete", {"path": path}) for path in paths))


@pytest.mark.shows("approvals.path")
@pytest.mark.parametrize("era", MODES)
async def test_a_page_tells_of_its_calls_when_it_is_asked_to(tmp_path: Path, era: str) -> None:
    model = FakeModel([deletes("a", "b"), says("One."), deletes("c"), says("Two.")])
    rules = rules_for(
        tools=(ToolRule("files__delete", {"quorum": 2}),), people=People({"bob": "bob", "carol": "carol"})
    )
    async with world(tmp_path, model, files(), rules=rules) as it:
        message = await it.say("delete two")
        a, b = await it.approvals(2)
        await it.bridge.approve_call(BOB, a.id)
        await it.bridge.approve_call(CAROL, a.id)
        await it.bridge.reject_call(BOB, b.id, reason="keep it")
        await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)
        message = await it.say("and another")
        (c,) = await it.approvals()
        server = build_server(it.bridge, always(BOB))
        async with Client(server, mode=MODES[era]) as client:
            plain = await answer(client, "read_messages", conversation=HERE)
            assert "calls" not in plain
            page = await answer(client, "read_messages", conversation=HERE, calls=True)
            assert page["messages"] == plain["messages"]
            one, two, three = page["calls"]
            assert told(one) == {
                "tool": "files__delete", "arguments": {"path": "a"},
                "requested_by": "assistant for owner", "approval": a.id,
                "votes": ["bob", "carol"], "verdict": "approved", "decided_by": "bob, carol", "decided_via": "cli",
                "cleared_by": "verdict", "outcome": "ok", "result": "deleted a",
            }  # fmt: skip
            assert (two["verdict"], two["decided_via"], two["note"], two["outcome"]) == (
                "rejected", "mcp", "keep it", "denied",
            )  # fmt: skip
            assert "cleared_by" not in two, "it never ran"
            assert (three["approval"], three.keys() & {"verdict", "outcome"}) == (c.id, set())
            # a page holds the calls of its own stretch, and what became of them later
            last = await answer(client, "read_messages", conversation=HERE, limit=1, calls=True)
            assert [each["id"] for each in last["calls"]] == [three["id"]]
            first = await answer(client, "read_messages", conversation=HERE, before=last["before"], calls=True)
            assert [each["id"] for each in first["calls"]] == [one["id"], two["id"]]


def told(call: dict[str, Any]) -> dict[str, Any]:
    """What a record says, without its times and its reason."""
    return {name: value for name, value in call.items() if not name.endswith("_at") and name not in (
        "id", "at", "note", "reason",
    )}  # fmt: skip


async def test_an_edited_call_tells_both_and_a_long_result_its_beginning(tmp_path: Path) -> None:
    async with world(tmp_path, FakeModel(), files()) as it:
        ticket = await it.bridge.call_tool(HOST, "files__delete", {"path": "a"}, wait_s=1)
        await it.bridge.approve_call(BOB, ticket.approvals[0], arguments={"path": "b" * 3_000})
        await it.bridge.wait_for(HOST, ticket.id, timeout_s=10)
        async with Client(build_server(it.bridge, always(HOST))) as client:
            page = await answer(client, "read_messages", conversation=ticket.conversation, calls=True)
        (call,) = page["calls"]
        assert (page["messages"], call["requested_by"]) == ([], "host")
        assert (call["arguments"], call["ran_with"]) == ({"path": "a"}, {"path": "b" * 3_000})
        assert (len(call["result"]), call["result_chars"]) == (2_000, 3_000 + len("deleted "))
        limited = Principal("other", "client", MAY, channels=frozenset({"local"}))
        with pytest.raises(NotFound):
            await it.bridge.read_messages(limited, ticket.conversation, calls=True)
