"""One person behind many doors: none of them decides what another one asked, and none changes what holds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest
from msgspec.structs import replace

from bridge_mcp.cli.messages import no_verdict
from bridge_mcp.core.entries import External
from bridge_mcp.core.errors import BadInput, Denied
from bridge_mcp.core.own_places import find_own_place, own_places
from bridge_mcp.core.policy import SCOPES, Principal
from bridge_mcp.core.tools import JSON
from bridge_mcp.operations.external_calls import ExternalCalls, request_of
from bridge_mcp.ports import Rules
from bridge_mcp.service import ApprovalOptions
from tests.integration.setup import OWNER, SUPERVISOR, World, rules_for, world
from tests.integration.test_express import bench

STDIO = Principal("stdio", "client", frozenset(SCOPES) - {"admin"}, via="mcp")
BY_COMMAND = replace(OWNER, via="cli")
OWN = own_places("/home/ann/.local/state/bridge", "/home/ann/settings.toml")


async def asked_at_the_gate(it: World, rules: Rules) -> str:
    """The approval that a call through a gate waits for."""
    request = request_of("calls/gate.1", External("gate:files@1", "write"), {"path": "a"}, "gate:files")
    await ExternalCalls(it.store, rules, it.clock, "me").ask(request)
    (approval,) = await it.approvals()
    return approval.id


async def test_no_door_of_a_person_decides_what_another_one_asked(tmp_path: Path) -> None:
    rules = rules_for()
    async with world(tmp_path, rules=rules) as it:
        approval = await asked_at_the_gate(it, rules)
        for door in (STDIO, replace(STDIO, name="loopback"), replace(STDIO, name="hook:claude-code")):
            with pytest.raises(Denied, match="same person"):
                await it.bridge.approve_call(door, approval)
        with pytest.raises(Denied):
            await it.bridge.reject_call(replace(STDIO, name="gate:files"), approval)
        assert (await it.bridge.approve_call(SUPERVISOR, approval)).approval.status == "approved"


async def test_the_owner_may_say_otherwise(tmp_path: Path) -> None:
    rules = rules_for(doors_decide=True)
    async with world(tmp_path, rules=rules) as it:
        approval = await asked_at_the_gate(it, rules)
        assert (await it.bridge.approve_call(STDIO, approval)).approval.status == "approved"


async def test_verdicts_can_be_taken_off_the_command_line(tmp_path: Path) -> None:
    rules = rules_for(cli=False)
    async with world(tmp_path, rules=rules) as it:
        approval = await asked_at_the_gate(it, rules)
        with pytest.raises(Denied, match="command line"):
            await it.bridge.approve_call(BY_COMMAND, approval)
        await it.bridge.approve_call(SUPERVISOR, approval)


@pytest.mark.parametrize("spelled", ["/approve {}", "／approve {}", "\u200b/Approve {}", " /APPROVE. {} always"])
async def test_nor_is_a_verdict_taken_that_is_said_on_the_command_line(tmp_path: Path, spelled: str) -> None:
    """`bridge-mcp say` and `chat` write as the owner; the channel's own people go on deciding."""
    rules = rules_for(cli=False)
    async with world(tmp_path, rules=rules) as it:
        approval = await asked_at_the_gate(it, rules)
        text = spelled.format(approval)
        with pytest.raises(BadInput, match="No verdict is taken"):
            no_verdict(SimpleNamespace(config=SimpleNamespace(rules=rules)), text)  # pyright: ignore[reportArgumentType]
        await it.bridge.say(BY_COMMAND, "local/main", text)
        answer = (await it.bridge.read_messages(OWNER, "local/main")).messages[-1].text
        assert "takes no verdicts on the command line" in answer
        assert [each.id for each in await it.approvals()] == [approval]
        await it.bridge.say(OWNER, "local/main", f"/reject {approval}")
        assert await it.bridge.list_approvals(OWNER) == ()


async def test_a_verdict_of_a_command_with_other_settings_does_not_hold(tmp_path: Path) -> None:
    rules = rules_for(cli=False)
    async with world(tmp_path, toolbox=bench(), rules=rules) as it:
        ticket = await it.bridge.call_tool(STDIO, "bench__write", {}, wait_s=0)
        (approval,) = await it.approvals()
        desk = replace(it.bridge.verdicts, cli=True)
        await desk.approve(BY_COMMAND, [approval], ApprovalOptions())
        with anyio.fail_after(5):
            done = await it.bridge.wait_for(STDIO, ticket.id, timeout_s=5)
        assert done.outcome == "denied"
        assert "command line" in done.text


async def test_a_call_that_names_the_bridge_runs_by_no_grant_and_no_annotation(tmp_path: Path) -> None:
    async with world(tmp_path, toolbox=bench(), rules=rules_for(own_places=OWN)) as it:
        await it.bridge.call_tool(STDIO, "bench__write", {"command": "ls"}, wait_s=0)
        (first,) = await it.approvals()
        await it.bridge.approve_call(SUPERVISOR, first.id, remember="always")
        assert (await it.bridge.call_tool(STDIO, "bench__write", {"command": "ls"})).outcome == "ok"
        for tool in ("bench__write", "bench__look"):
            await it.bridge.call_tool(STDIO, tool, {"command": "BRIDGE-mcp approvals approve ap_1"}, wait_s=0)
            (waiting,) = await it.approvals()
            assert "it names bridge-mcp" in waiting.reason
            await it.bridge.reject_call(SUPERVISOR, waiting.id)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"path": "/home/ann/.local//state/./bridge/bridge.db"}, "/home/ann/.local/state/bridge"),
        ({"path": "C:\\Users\\ann\\.claude\\Settings.json"}, ".claude/settings"),
        ({"edits": [{"in": {"x": "/home/ann/settings.toml"}}]}, "/home/ann/settings.toml"),
        ({".mcp.json": 1}, ".mcp.json"),
        ({"command": "cat /home/ann/x/y/../../.local/a/../state/bridge/bridge.db"}, "/home/ann/.local/state/bridge"),
        ({"uri": "file:///home/ann/.local/st%61te/bridge/x"}, "/home/ann/.local/state/bridge"),
        ({"uri": "file:///home/ann/x/%252e%252e/settings%252etoml"}, "/home/ann/settings.toml"),
        ({"path": "/home/ann/notes", "n": 3}, ""),
    ],
)
def test_what_a_call_names_is_found_in_any_of_its_texts(arguments: Mapping[str, JSON], named: str) -> None:
    assert find_own_place(arguments, OWN) == named
