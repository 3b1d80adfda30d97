"""The step that `get_conversation` names: what the bridge is at, and what waits for others."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge_mcp.ports import ModelCall, ModelReply
from bridge_mcp.testing import FakeModel, FakeToolbox
from tests.integration.setup import OWNER, SUPERVISOR, world

MAIN = "local/main"


def asks_for(tool: str) -> FakeModel:
    return FakeModel([ModelReply("", (ModelCall("a", tool, "{}"),)), ModelReply("Done.")])


@pytest.mark.parametrize("read_only", [True, False])
async def test_a_call_that_runs_is_no_wait_for_people(tmp_path: Path, read_only: bool) -> None:
    box = FakeToolbox()

    @box.tool("files__move", read_only=read_only)
    async def move(arguments: object) -> str:
        return "moved"

    hold = box.hold("files__move")
    async with world(tmp_path, asks_for("files__move"), box) as it:
        message = await it.say("move it")
        if not read_only:
            (asked,) = await it.approvals()
            assert (await it.bridge.get_conversation(OWNER, MAIN)).step == "Wait"
            await it.bridge.approve_call(SUPERVISOR, asked.id)
            assert (await it.bridge.get_conversation(OWNER, MAIN)).step == "Run"
        await hold.entered.wait()
        assert (await it.bridge.get_conversation(OWNER, MAIN)).step == "Run"
        hold.release()
        await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)
        assert (await it.bridge.get_conversation(OWNER, MAIN)).step == "Idle"
