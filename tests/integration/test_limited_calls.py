"""What a client that is limited to channels may call is what these channels may, under their rules."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge_mcp.core.entries import Requested
from bridge_mcp.core.errors import NotFound
from bridge_mcp.core.policy import Principal, Scope, ToolRule
from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import ChannelRules
from bridge_mcp.testing import FakeToolbox
from tests.integration.setup import OWNER, SUPERVISOR, rules_for, world

SCOPES: frozenset[Scope] = frozenset({"read", "tools", "admin"})
FAMILY = Principal("family-host", "client", SCOPES, channels=frozenset({"family"}))
CHAT = Principal("chat-host", "client", SCOPES, conversations=frozenset({"family/42"}))
BOTH = Principal("both", "client", SCOPES, channels=frozenset({"family", "local"}))
FREE = Principal("free", "client", SCOPES)


def box() -> FakeToolbox:
    made = FakeToolbox()
    for name in ("files__look", "files__put", "bank__look"):

        @made.tool(name, read_only=name.endswith("look"))
        async def run(arguments: Mapping[str, JSON]) -> str:
            return "done"

    return made


RULES = rules_for(
    channels={
        "local": ChannelRules("local", "assistant", tools=(ToolRule("files__put", {"confirmation": "never"}),)),
        "family": ChannelRules(
            "family",
            "assistant",
            tool_servers=("files",),
            tools=(
                ToolRule("files__look", {"confirmation": "required", "expires_s": 77.0}),
                ToolRule("files__put", {"confirmation": "required"}),
            ),
        ),
    }
)


@pytest.mark.parametrize("who", [FAMILY, CHAT])
async def test_a_server_that_its_channels_do_not_have_is_not_there_for_a_limited_client(
    tmp_path: Path, who: Principal
) -> None:
    toolbox = box()
    async with world(tmp_path, toolbox=toolbox, rules=RULES) as it:
        listed = await it.bridge.list_tools(who)
        assert [spec.name for spec in listed.tools] == ["files__look", "files__put"]
        assert [server.name for server in listed.servers] == ["files"]
        assert [server.name for server in (await it.bridge.get_status(who)).servers] == ["files"]
        with pytest.raises(NotFound, match="bank__look") as refused:
            await it.bridge.call_tool(who, "bank__look", {})
        assert "bank" not in refused.value.fix
        assert toolbox.count("bank__look") == 0
        assert (await it.bridge.call_tool(FREE, "bank__look", {})).outcome == "ok"


@pytest.mark.parametrize("who", [FAMILY, CHAT])
async def test_what_its_channel_wants_confirmed_is_confirmed(tmp_path: Path, who: Principal) -> None:
    toolbox = box()
    async with world(tmp_path, toolbox=toolbox, rules=RULES) as it:
        ticket = await it.bridge.call_tool(who, "files__look", {}, wait_s=5)
        (approval,) = ticket.approvals
        (found,) = await it.bridge.list_approvals(OWNER)
        assert round(found.expires_at - found.asked_at) == 77
        assert toolbox.count("files__look") == 0
        await it.bridge.approve_call(SUPERVISOR, approval)
        assert (await it.bridge.wait_for(OWNER, ticket.id, timeout_s=5)).outcome == "ok"
        assert (await it.bridge.call_tool(FREE, "files__look", {})).outcome == "ok", "nobody asked for that"


async def test_of_several_channels_the_strictest_holds(tmp_path: Path) -> None:
    toolbox = box()
    async with world(tmp_path, toolbox=toolbox, rules=RULES) as it:
        for tool in ("files__look", "files__put"):
            assert (await it.bridge.call_tool(BOTH, tool, {}, wait_s=5)).approvals, tool
        assert (await it.bridge.call_tool(BOTH, "bank__look", {}, wait_s=5)).outcome == "ok"
        local = Principal("local-host", "client", SCOPES, channels=frozenset({"local"}))
        assert (await it.bridge.call_tool(local, "files__put", {}, wait_s=5)).outcome == "ok"


async def test_the_limits_stand_in_the_log_and_hold_whoever_drives(tmp_path: Path) -> None:
    """A process that is no engine writes the request; the engine that finds it asks by the channel's rules."""
    toolbox = box()
    async with world(tmp_path, toolbox=toolbox, rules=RULES) as it:
        await it.bridge.list_tools(FAMILY)
    async with world(tmp_path, toolbox=toolbox, rules=RULES, engine=False) as it:
        ticket = await it.bridge.call_tool(FAMILY, "files__look", {}, wait_s=0)
        first = (await it.store.log.load(ticket.conversation))[0].entry
        assert isinstance(first, Requested)
        assert first.within == ("family",)
    async with world(tmp_path, toolbox=toolbox, rules=RULES) as it:
        (approval,) = await it.approvals()
        assert approval.tool == "files__look"
        assert toolbox.count("files__look") == 0


async def test_a_client_limited_to_a_channel_that_is_gone_may_call_nothing(tmp_path: Path) -> None:
    lost = Principal("lost", "client", SCOPES, channels=frozenset({"was-there"}))
    async with world(tmp_path, toolbox=box(), rules=RULES) as it:
        assert (await it.bridge.list_tools(lost)).tools == ()
        with pytest.raises(NotFound):
            await it.bridge.call_tool(lost, "files__look", {})
