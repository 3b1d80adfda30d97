"""A bug costs a turn and not a chat: what fails again and again is ended, with a reference that the log tells too."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from bridge_mcp.core.errors import StoreError
from bridge_mcp.core.tools import JSON, ToolSpec
from bridge_mcp.engine.turns import drives
from bridge_mcp.ports import ModelCall, ModelReply
from bridge_mcp.testing import FakeModel, FakeToolbox, says
from tests.integration.setup import HOST, OWNER, SUPERVISOR, World, verify, world

pytestmark = pytest.mark.either_store

TOOL = "files__delete"


class Broken(FakeToolbox):
    """A toolbox with a bug, as long as it is there."""

    error: Exception | None = None

    async def check(self, spec: ToolSpec, arguments: Mapping[str, JSON]) -> str:
        if self.error is not None:
            raise self.error
        return await super().check(spec, arguments)


def broken(error: Exception) -> Broken:
    box = Broken()

    @box.tool(TOOL)
    async def delete(arguments: Mapping[str, JSON]) -> str:
        return "deleted"

    box.error = error
    return box


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drives, "FIRST_PAUSE_S", 0.02)


def asks() -> FakeModel:
    return FakeModel([ModelReply("", (ModelCall("m1", TOOL, "{}"),)), says("Here I am."), says("Still here.")])


async def gave_up(it: World, ticket: str) -> str:
    found = await it.bridge.wait_for(OWNER, ticket, timeout_s=20)
    assert (found.state, found.outcome) == ("done", "stopped")
    (reference,) = re.findall(r"reference ([0-9a-f]{8})", found.text)
    return reference


@pytest.mark.parametrize("error", [RecursionError("too deep"), ValueError("nan"), KeyError("gone")])
async def test_a_turn_that_fails_again_and_again_ends_and_the_chat_goes_on(
    tmp_path: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    box = broken(error)
    with caplog.at_level(logging.ERROR):
        async with world(tmp_path, asks(), box) as it:
            message = await it.say("delete it")
            reference = await gave_up(it, f"turn:{message}")
            assert reference in caplog.text
            assert type(error).__name__ in caplog.text
            box.error = None
            assert await it.settled("are you there?") == "Here I am."
            assert not [each for each in (await it.bridge.get_status(OWNER)).warnings if "Conversation" in each]
    assert verify(tmp_path) == ()


async def test_messages_that_come_in_meanwhile_do_not_begin_the_count_anew(tmp_path: Path) -> None:
    async with world(tmp_path, asks(), broken(RuntimeError("bug"))) as it:
        first = await it.say("delete it")
        began = time.monotonic()
        while (await it.bridge.wait_for(OWNER, f"turn:{first}", timeout_s=0.05)).state == "open":
            assert time.monotonic() - began < 20
            await it.say("hello?")


async def test_a_clients_call_ends_with_the_reference(tmp_path: Path) -> None:
    box = broken(RuntimeError("bug"))
    box.error = None
    async with world(tmp_path, asks(), box) as it:
        ticket = await it.bridge.call_tool(HOST, TOOL, {}, wait_s=5)
        box.error = RuntimeError("bug")
        await it.bridge.approve_call(SUPERVISOR, ticket.approvals[0])
        await gave_up(it, ticket.id)
    assert verify(tmp_path) == ()


async def test_a_failing_store_ends_no_turn(tmp_path: Path) -> None:
    box = broken(StoreError("The disk is full."))
    async with world(tmp_path, asks(), box) as it:
        message = await it.say("delete it")
        await anyio.sleep(1.0)
        assert (await it.bridge.wait_for(OWNER, f"turn:{message}")).state == "open"
        box.error = None
        (approval,) = await it.approvals()
        await it.bridge.approve_call(SUPERVISOR, approval.id)
        assert (await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=20)).text == "Here I am."
