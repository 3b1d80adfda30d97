"""A tool that is not there for a while: what waits goes on waiting, what was approved runs later, people are told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio
import pytest

from bridge_mcp.core.entries import Finished, Judged
from bridge_mcp.core.results import Status
from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import ModelCall, ModelReply
from bridge_mcp.testing import FakeModel, FakeToolbox, ManualClock, says
from tests.integration.setup import HOST, OWNER, SUPERVISOR, World, rules_for, verify, world

TOOL = "files__delete"
WAIT_S = 20.0


def offer(box: FakeToolbox) -> FakeToolbox:
    """Have the tool there."""

    @box.tool(TOOL)
    async def delete(arguments: Mapping[str, JSON]) -> str:
        return "deleted"

    box.reconnect("files")
    return box


def model() -> FakeModel:
    """Asks for the tool once."""
    return FakeModel([ModelReply("", (ModelCall("m1", TOOL, "{}"),)), says("All over."), says("Still over.")])


def leave(box: FakeToolbox) -> None:
    box.remove(TOOL)


def end(box: FakeToolbox) -> None:
    box.disconnect("files")


async def looked_at(it: World, seconds: float = 0.3) -> None:
    """Let the engine look at everything that it might act on."""
    await anyio.sleep(seconds)


async def until_told(it: World, text: str) -> None:
    """Wait until the chat, or the result that the model gets, says this."""
    with anyio.fail_after(WAIT_S):
        while True:
            log = await it.store.log.load("local/main")
            results = [each.entry.content for each in log if isinstance(each.entry, Finished)]
            if any(text in each for each in (*results, *await it.texts())):
                return
            await anyio.sleep(0.02)


async def until(it: World, holds: Callable[[Status], bool]) -> None:
    """Wait until the status is so."""
    with anyio.fail_after(WAIT_S):
        while not holds(await it.bridge.get_status(OWNER)):  # noqa: ASYNC110 - the board tells nobody of itself
            await anyio.sleep(0.02)


@pytest.mark.parametrize("away", [leave, end])
async def test_a_call_goes_on_waiting_and_runs_once_its_tool_is_back(
    tmp_path: Path, away: Callable[[FakeToolbox], None]
) -> None:
    box = offer(FakeToolbox())
    async with world(tmp_path, model(), box) as it:
        await it.say("delete it")
        (asked,) = await it.approvals()
        away(box)
        await it.say("are you there?")
        await looked_at(it)
        assert [each.id for each in await it.bridge.list_approvals(OWNER)] == [asked.id]
        assert (await it.bridge.get_status(OWNER)).waiting_approvals == 1
        assert (await it.bridge.get_conversation(OWNER, "local/main")).step == "Wait"
        decision = await it.bridge.approve_call(SUPERVISOR, asked.id)
        assert decision.approval.status == "approved"
        await looked_at(it)
        assert box.count(TOOL) == 0
        assert (await it.bridge.get_conversation(OWNER, "local/main")).step == "Run", "nobody was told of the tool yet"
        offer(box)
        await until_told(it, "deleted")
        assert box.count(TOOL) == 1
    assert verify(tmp_path) == ()


async def test_a_verdict_says_that_the_call_waits_for_its_tool(tmp_path: Path) -> None:
    box = offer(FakeToolbox())
    async with world(tmp_path, model(), box) as it:
        await it.say("delete it")
        (asked,) = await it.approvals()
        end(box)
        await until(it, lambda status: status.servers[0].state != "ready")
        decision = await it.bridge.approve_call(SUPERVISOR, asked.id)
        assert "not there now" in decision.waits
        assert "'files'" in decision.waits


async def test_people_are_told_and_the_wait_ends(tmp_path: Path) -> None:
    box, clock = offer(FakeToolbox()), ManualClock(time.time())
    async with world(tmp_path, model(), box, rules=rules_for(expires_s=100.0), clock=clock) as it:
        await it.say("delete it")
        (asked,) = await it.approvals()
        leave(box)
        await it.bridge.approve_call(SUPERVISOR, asked.id)
        clock.advance(10)
        await it.say("and?")
        await until_told(it, "waiting for its tool")
        clock.advance(100)
        await it.say("and now?")
        await until_told(it, "did not come back in time")
        offer(box)
        await looked_at(it)
        assert box.count(TOOL) == 0
    assert verify(tmp_path) == ()


async def test_a_tool_that_was_taken_out_of_the_config_ends_its_call_and_closes_its_approval(tmp_path: Path) -> None:
    box = offer(FakeToolbox())
    async with world(tmp_path, model(), box) as it:
        await it.say("delete it")
        (asked,) = await it.approvals()
    box.withdraw("files")
    async with world(tmp_path, model(), box) as it:  # nobody says a word: the engine looks by itself
        await until_told(it, "the config no longer has the tool server 'files'")
        assert await it.bridge.list_approvals(OWNER) == ()
        (cancelled,) = await it.bridge.list_approvals(OWNER, status="cancelled")
        assert cancelled.id == asked.id
        assert "config" in cancelled.note
        log = await it.store.log.load("local/main")
        kinds = [type(each.entry) for each in log]
        assert kinds[kinds.index(Judged) + 1] is Finished, "both in one transaction"
    assert verify(tmp_path) == ()


async def test_a_restart_finds_what_was_approved_while_nobody_ran(tmp_path: Path) -> None:
    box = offer(FakeToolbox())
    async with world(tmp_path, model(), box) as it:
        await it.say("delete it")
        (asked,) = await it.approvals()
        leave(box)
        await it.bridge.approve_call(SUPERVISOR, asked.id)
        await looked_at(it)
    offer(box)
    async with world(tmp_path, model(), box) as it:
        await until_told(it, "deleted")
        assert box.count(TOOL) == 1


async def test_a_client_takes_back_what_was_approved_and_waits_for_its_tool(tmp_path: Path) -> None:
    box = offer(FakeToolbox())
    async with world(tmp_path, model(), box) as it:
        ticket = await it.bridge.call_tool(HOST, TOOL, {}, wait_s=5)
        (approval,) = ticket.approvals
        leave(box)
        await it.bridge.approve_call(SUPERVISOR, approval)
        assert await it.bridge.cancel(HOST, ticket.id)
        found = await it.bridge.wait_for(HOST, ticket.id, timeout_s=5)
        assert (found.state, found.outcome) == ("done", "stopped")
        offer(box)
        await looked_at(it)
        assert box.count(TOOL) == 0


async def test_an_approval_that_an_earlier_version_left_open_is_closed_at_the_start(tmp_path: Path) -> None:
    async with world(tmp_path, model(), offer(FakeToolbox())) as it:
        await it.say("delete it")
        (asked,) = await it.approvals()
        it.engines.cancel()
    async with world(tmp_path, model(), offer(FakeToolbox()), engine=False) as it:
        await it.store.log.record("local/main", Finished(asked.call, "error", "There is no such tool."))
    (finding,) = verify(tmp_path)
    assert "still waits for a verdict, and its call is over" in finding
    async with world(tmp_path, FakeModel([says("It is not there.")]), offer(FakeToolbox())) as it:
        await until(it, lambda status: status.waiting_approvals == 0)
    assert verify(tmp_path) == ()


async def test_stopping_and_clearing_close_what_waits_for_a_tool_that_is_away(tmp_path: Path) -> None:
    for command in ("/stop", "/clear"):
        box = offer(FakeToolbox())
        folder = tmp_path / command.strip("/")
        folder.mkdir()
        async with world(folder, model(), box) as it:
            await it.say("delete it")
            await it.approvals()
            leave(box)
            await it.bridge.run_command(OWNER, "local/main", command)
            assert await it.bridge.list_approvals(OWNER) == ()
        assert verify(folder) == ()
