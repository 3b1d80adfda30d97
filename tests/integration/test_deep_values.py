"""Deep values: refused at the door of a call, and what stands in a log already can be read by every face."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client

from bridge_mcp.core.entries import Asked, Call, Finished, Heard, Replied, Requested, Sender, Started
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.json_reader import JSON, MAX_DEPTH
from bridge_mcp.server.app import BridgeServer, always
from bridge_mcp.testing import FakeToolbox
from tests.integration.setup import HOST, OWNER, world


def nested(levels: int) -> JSON:
    """A value of so many levels."""
    value: JSON = 1
    for _ in range(levels):
        value = [value]
    return value


def box() -> FakeToolbox:
    toolbox = FakeToolbox()

    @toolbox.tool("files__list", read_only=True)
    async def listed(arguments: Mapping[str, JSON]) -> str:
        return "a.txt"

    @toolbox.tool("files__delete")
    async def delete(arguments: Mapping[str, JSON]) -> str:
        return "deleted"

    return toolbox


async def read_all(client: Client, conversation: str) -> dict[str, Any]:
    """What the readers answer. None of them fails."""
    found: dict[str, Any] = {}
    for name, arguments in (
        ("list_approvals", {"status": "any"}),
        ("wait_for_events", {"after": 0, "timeout_s": 0.0, "limit": 200}),
        ("read_messages", {"conversation": conversation, "calls": True}),
        ("get_status", {}),
    ):
        result = await client.call_tool(name, arguments)
        assert not result.is_error, (name, result.content)
        found[name] = result.structured_content
    return found


@pytest.mark.parametrize("levels", [1, 49, 60, MAX_DEPTH - 1, MAX_DEPTH, 190])
async def test_arguments_are_refused_at_the_door_or_can_be_read_out(tmp_path: Path, levels: int) -> None:
    async with world(tmp_path, None, box()) as it, Client(BridgeServer(it.bridge, always(HOST)).server) as client:
        for tool in ("files__list", "files__delete"):
            arguments = {"tool": tool, "arguments": {"a": nested(levels)}, "wait_s": 5.0}
            if tool == "files__delete":
                arguments["wait_s"] = 0.0
            result = await client.call_tool("call_tool", arguments)
            assert result.is_error == (levels >= MAX_DEPTH)
            if result.is_error:
                assert f"nested too deep; at most {MAX_DEPTH} levels" in str(result.content)
        await read_all(client, "local/main")


@pytest.mark.shows("approvals.edited")
async def test_edited_arguments_are_held_to_the_same_limits(tmp_path: Path) -> None:
    async with world(tmp_path, None, box()) as it:
        ticket = await it.bridge.call_tool(HOST, "files__delete", {}, wait_s=0.0)
        (approval,) = await it.approvals()
        for value, told in (
            (nested(200), "nested"),
            (float("inf"), "Infinity"),
            ("\ud800", "UTF-16"),
            ("x" * 10**6, "at most"),
        ):
            with pytest.raises(BadInput, match=told):
                await it.bridge.approve_call(OWNER, approval.id, arguments={"a": value})
            with pytest.raises(BadInput, match=told):
                await it.bridge.call_tool(HOST, "files__delete", {"a": value})
        await it.bridge.approve_call(OWNER, approval.id, arguments={"a": nested(100)})
        assert (await it.bridge.wait_for(HOST, ticket.id, timeout_s=10)).outcome == "ok"


async def test_rows_that_stood_in_the_log_before_are_shown_as_text(tmp_path: Path) -> None:
    """An older version took whatever its parser took."""
    poison = ('{"a": ' + "[" * 400 + "]" * 400 + "}", '{"n": NaN}', '{"t": "\\ud800"}', '{"a": ' + "[" * 5_000)
    async with world(tmp_path, None, box(), engine=False) as it:
        log = it.store.log
        calls = tuple(Call(f"3.{index}", "files__delete", each) for index, each in enumerate(poison))
        await log.intend("local/main", 0, Heard("go", Sender("7", "Ann"), "k", to="assistant"), Started("model"))
        await log.record("local/main", Replied("", calls, 2, turn=1))
        for call in calls:
            await log.record(
                "local/main", Asked(call.id, "files", call.tool, arguments=call.arguments, digest="sha256:1")
            )
        asked = Requested((Call("0.0", "files__list", poison[0]),), by=HOST.name)
        await log.intend("calls/host.1", 0, asked, Started("tool", call="0.0", tool="files__list", arguments=poison[0]))
        await log.record("calls/host.1", Finished("0.0", "ok", "deep", structured=poison[0]))
        async with Client(BridgeServer(it.bridge, always(HOST)).server) as client:
            found = await read_all(client, "local/main")
            assert {each["arguments"] for each in found["list_approvals"]["approvals"]} == set(poison)
            assert {each["arguments"] for each in found["read_messages"]["calls"]} == set(poison)
            told = json.dumps(found["wait_for_events"])
            assert all(json.dumps(each) in told for each in poison)
