"""What a call through a gate costs the disk: how many commits, beside those that the call waits for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from bridge_mcp.core.entries import Finished, Started
from bridge_mcp.gate.calls import GatedCalls
from bridge_mcp.gate.host_calls import Answer, HostCall
from bridge_mcp.gate.messages import Body
from bridge_mcp.gate.tools import GuardedTools
from bridge_mcp.operations.external_calls import ExternalCalls
from bridge_mcp.ports import Store
from bridge_mcp.stores.sql.writer import Job, Writer
from bridge_mcp.stores.sqlite import open_store
from bridge_mcp.testing import FakeCallers, ManualClock
from bridge_mcp.toolservers.connection import ListedTool
from tests.integration.test_gate import RULES, SERVER

CALLERS = 32


class Response:
    """What the server says at once."""

    async def response(self) -> tuple[Body, bytes]:
        return {"result": {"content": []}}, b"{}"


@dataclass
class Gate:
    """A gate whose server answers at once, and the commits of its store."""

    store: Store
    calls: GatedCalls
    commits: list[int] = field(default_factory=list[int])
    """How many operations each of them held."""

    async def look(self) -> Answer:
        """A call that only reads."""
        call = HostCall({"id": 1, "params": {"name": "look", "arguments": {"path": "a"}}}, b"{}")
        tool = ListedTool("look", "", "{}", read_only=True, destructive=False, idempotent=False, open_world=True)
        return await self.calls.answer(call, tool, forwarded)

    async def counted(self, work: Callable[[], Awaitable[object]]) -> list[int]:
        """The commits that something takes."""
        self.commits.clear()
        await work()
        return list(self.commits)


async def forwarded(changed: Body | None) -> Response:
    assert changed is None
    return Response()


@pytest.fixture
async def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Gate]:
    clock = ManualClock(1000.0)
    store = await open_store(tmp_path / "bridge.db", clock=clock)
    calls = ExternalCalls(store, RULES, clock, caller="one")
    it = Gate(store, GatedCalls(SERVER, GuardedTools(SERVER, store.tool_pins), calls, FakeCallers(), hold_s=0.0))
    commit = Writer._commit  # pyright: ignore[reportPrivateUsage]

    def counting(self: Writer, jobs: Sequence[Job]) -> None:
        it.commits.append(len(jobs))
        commit(self, jobs)

    monkeypatch.setattr(Writer, "_commit", counting)
    await it.look()
    await it.calls.settle()
    yield it
    await it.calls.settle()
    await store.close()


async def test_calls_that_only_read_take_one_commit_each_one_after_the_other(gate: Gate) -> None:
    async def work() -> None:
        for _ in range(10):
            await gate.look()
        await gate.calls.settle()

    commits = await gate.counted(work)
    assert sum(commits) == 20, "each is begun and ended"
    assert len(commits) == 11, "the end of each goes with the beginning of the next"


async def test_calls_at_once_share_commits(gate: Gate) -> None:
    async def work() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(CALLERS):
                tasks.start_soon(gate.look)
        await gate.calls.settle()

    commits = await gate.counted(work)
    assert sum(commits) == 2 * CALLERS
    assert len(commits) <= 6


async def test_every_call_stands_whole_in_its_log(gate: Gate) -> None:
    for _ in range(3):
        await gate.look()
    await gate.calls.settle()
    begun = await gate.store.feed.read(0, 100, types=("tool.started",))
    logs = [[e.entry for e in await gate.store.log.load(event.conversation)] for event in begun.events]
    found: list[Any] = [(log[1], log[2]) for log in logs]
    assert [type(each) for pair in found for each in pair] == [Started, Finished] * 4
    assert {pair[1].outcome for pair in found} == {"ok"}
