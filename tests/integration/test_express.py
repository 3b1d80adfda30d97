"""Clients' calls in the engine's own process: one gate, one log, fewer writes; crashes and repetitions included."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from bridge_mcp.core.entries import Finished, Requested, Started
from bridge_mcp.core.errors import BadInput, BridgeError
from bridge_mcp.core.tools import JSON
from bridge_mcp.engine.turns.fast_path import GRACE_S
from bridge_mcp.testing import FakeToolbox
from tests.integration.setup import HOST, OWNER, SUPERVISOR, World, rules_for, world

KINDS = ["Requested", "Started", "Finished"]


def bench() -> FakeToolbox:
    toolbox = FakeToolbox()

    @toolbox.tool("bench__look", read_only=True)
    async def _look(arguments: Mapping[str, JSON]) -> str:
        return "seen"

    @toolbox.tool("bench__write")
    async def _write(arguments: Mapping[str, JSON]) -> str:
        return "written"

    return toolbox


async def entries(it: World, ticket: str) -> list[object]:
    return [e.entry for e in await it.store.log.load(ticket.removeprefix("call:"))]


def kinds(found: list[object]) -> list[str]:
    return [type(entry).__name__ for entry in found]


async def settled(it: World, ticket: str) -> None:
    """Nothing is left to do for this call, now or later."""
    with anyio.fail_after(10):
        while ticket.removeprefix("call:") in await it.store.agenda.due(1e12, 100):
            await anyio.lowlevel.checkpoint()


async def test_a_call_that_only_reads_is_written_whole_at_its_end(tmp_path: Path) -> None:
    async with world(tmp_path, toolbox=bench()) as it:
        ticket = await it.bridge.call_tool(HOST, "bench__look", {})
        assert (ticket.state, ticket.outcome, ticket.text) == ("done", "ok", "seen")
        found = await it.store.log.load(ticket.id.removeprefix("call:"))
        assert kinds([e.entry for e in found]) == KINDS
        assert len({logged.at for logged in found}) == 1, "one transaction"
        assert await it.store.agenda.due(1e12, 10) == ()
        again = await it.bridge.wait_for(HOST, ticket.id)
        assert (again.state, again.text) == ("done", "seen")
        assert len(await it.events("tool.finished")) == 1


async def test_a_free_call_that_changes_things_has_its_intent_on_disk_before(tmp_path: Path) -> None:
    toolbox = bench()
    seen: list[list[str]] = []
    async with world(tmp_path, toolbox=toolbox, rules=rules_for(confirmation="never")) as it:

        @toolbox.tool("bench__write")
        async def _write(arguments: Mapping[str, JSON]) -> str:
            (ours,) = await it.store.agenda.due(1e12, 10)
            seen.append(kinds([e.entry for e in await it.store.log.load(ours)]))
            return "written"

        ticket = await it.bridge.call_tool(HOST, "bench__write", {})
        assert ticket.text == "written"
        assert seen == [["Requested", "Started"]]
        assert kinds(await entries(it, ticket.id)) == KINDS
        await settled(it, ticket.id)


async def test_a_read_that_takes_long_is_begun_in_the_log_and_goes_on(tmp_path: Path) -> None:
    toolbox = bench()
    hold = toolbox.hold("bench__look")
    async with world(tmp_path, toolbox=toolbox) as it:
        ticket = await it.bridge.call_tool(HOST, "bench__look", {}, wait_s=0)
        assert ticket.state == "open"
        assert kinds(await entries(it, ticket.id)) == ["Requested", "Started"]
        hold.release()
        done = await it.bridge.wait_for(HOST, ticket.id, timeout_s=10)
        assert (done.state, done.text) == ("done", "seen")
        await settled(it, ticket.id)
        assert kinds(await entries(it, ticket.id)) == KINDS
    assert toolbox.count("bench__look") == 1


async def test_a_call_that_asks_waits_as_ever(tmp_path: Path) -> None:
    toolbox = bench()
    async with world(tmp_path, toolbox=toolbox) as it:
        ticket = await it.bridge.call_tool(HOST, "bench__write", {}, wait_s=10)
        assert ticket.state == "open"
        assert toolbox.calls == []
        await it.bridge.approve_call(SUPERVISOR, ticket.approvals[0])
        assert (await it.bridge.wait_for(HOST, ticket.id, timeout_s=10)).text == "written"


async def test_the_same_key_at_the_same_time_is_one_call(tmp_path: Path) -> None:
    toolbox = bench()
    texts: list[str] = []
    async with world(tmp_path, toolbox=toolbox, rules=rules_for(confirmation="never")) as it:

        async def call() -> None:
            made = await it.bridge.call_tool(HOST, "bench__write", {}, idempotency_key="k", wait_s=10)
            texts.append(made.text)

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(call)
        assert texts == ["written"] * 5
        with pytest.raises(BadInput, match="was used for another call"):
            await it.bridge.call_tool(HOST, "bench__write", {"other": 1}, idempotency_key="k")
    assert toolbox.count("bench__write") == 1


@pytest.mark.parametrize(("tool", "outcome", "count"), [("bench__look", "ok", 2), ("bench__write", "unknown", 1)])
async def test_what_an_engine_left_in_the_middle_is_settled_by_the_next(
    tool: str, outcome: str, count: int, tmp_path: Path
) -> None:
    toolbox = bench()
    rules = rules_for(confirmation="never")
    hold = toolbox.hold(tool)
    async with world(tmp_path, toolbox=toolbox, rules=rules) as it:
        ticket = await it.bridge.call_tool(HOST, tool, {}, wait_s=0)
        with anyio.fail_after(10):
            await hold.entered.wait()
        it.engines.cancel()
    hold.release()
    async with world(tmp_path, toolbox=toolbox, rules=rules) as it:
        done = await it.bridge.wait_for(OWNER, ticket.id, timeout_s=10)
        assert done.outcome == outcome
        found = await entries(it, ticket.id)
        assert isinstance(found[0], Requested)
        assert [isinstance(e, Started) for e in found].count(True) == count
        assert [isinstance(e, Finished) for e in found].count(True) == 1
    assert toolbox.count(tool) == count


async def test_a_read_cut_off_before_its_grace_is_over_leaves_nothing(tmp_path: Path) -> None:
    assert GRACE_S < 1
    toolbox = bench()
    hold = toolbox.hold("bench__look")
    async with world(tmp_path, toolbox=toolbox) as it:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stopped_call, it)
            await hold.entered.wait()
            it.engines.cancel()
    async with world(tmp_path, toolbox=bench()) as it:
        assert await it.store.agenda.due(1e12, 10) == ()


async def stopped_call(it: World) -> None:
    with anyio.CancelScope(shield=True), pytest.raises(BridgeError, match="idempotency_key"):
        await it.bridge.call_tool(HOST, "bench__look", {}, wait_s=5)


async def test_how_far_a_call_is_stands_in_the_feed(tmp_path: Path) -> None:
    toolbox = bench()
    toolbox.report("bench__look", 1, 3, "a\nthird")
    toolbox.report("bench__look", 2, 3, "two thirds")
    hold = toolbox.hold("bench__look")
    told: list[tuple[float, float | None, str]] = []

    @toolbox.tool("bench__look", read_only=True)
    async def _look(arguments: Mapping[str, JSON]) -> str:
        await anyio.sleep(0.05)
        return "seen"

    async with world(tmp_path, toolbox=toolbox) as it:
        hold.release()

        def hear(done: float, total: float | None, words: str) -> None:
            told.append((done, total, words))

        await it.bridge.call_tool(HOST, "bench__look", {}, progress=hear)
        (event,) = await it.events("tool.progress")
        (begun,) = await it.events("tool.started")
        assert event.body == {
            "call": "0.0",
            "approval": begun.body["approval"],
            "tool": "bench__look",
            "digest": begun.body["digest"],
            "progress": 2,
            "total": 3,
            "message": "two thirds",
        }
    assert told == [(1, 3, "a\nthird"), (2, 3, "two thirds")]
