"""Calls that leave out what a schema requires and has a default for: the default is checked, shown, bound and run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from bridge_mcp.core.policy import SCOPES, Principal
from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import ModelReply, ModelRequest
from bridge_mcp.testing import FakeModel, FakeToolbox, calls, says
from tests.integration.setup import OWNER, SUPERVISOR, world

AGENT = Principal("agent", "client", frozenset(SCOPES))
SCHEMA: Mapping[str, JSON] = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "type": {"type": "string", "default": "png"}},
    "required": ["path", "type"],
}


def browser() -> FakeToolbox:
    toolbox = FakeToolbox()

    @toolbox.tool("browser__screenshot", schema=SCHEMA)
    async def screenshot(arguments: Mapping[str, JSON]) -> str:  # pyright: ignore[reportUnusedFunction]
        return json.dumps(arguments, sort_keys=True)

    return toolbox


def reply(request: ModelRequest) -> ModelReply:
    if request.messages[-1].role == "tool":
        return says(request.messages[-1].text)
    return calls(("browser__screenshot", {"path": "a"}))


async def test_a_call_of_the_assistant_runs_with_the_default_that_was_approved(tmp_path: Path) -> None:
    async with world(tmp_path, FakeModel(reply), browser()) as at:
        await at.say("look")
        (waiting,) = await at.approvals()
        assert json.loads(waiting.arguments) == {"path": "a", "type": "png"}
        await at.bridge.approve_call(SUPERVISOR, waiting.id, digest=waiting.digest)
        (event,) = await at.events("turn.finished")
        assert event.body["text"] == '{"path": "a", "type": "png"}'


async def test_a_call_of_a_client_and_edited_arguments_get_the_default_too(tmp_path: Path) -> None:
    async with world(tmp_path, FakeModel(reply), browser()) as at:
        ticket = await at.bridge.call_tool(AGENT, "browser__screenshot", {"path": "b"}, wait_s=0)
        (waiting,) = await at.approvals()
        assert json.loads(waiting.arguments) == {"path": "b", "type": "png"}
        await at.bridge.approve_call(OWNER, waiting.id, arguments={"path": "c"})
        done = await at.bridge.wait_for(AGENT, ticket.id, timeout_s=10)
        assert (done.outcome, done.text) == ("ok", '{"path": "c", "type": "png"}')
