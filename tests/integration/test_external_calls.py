"""Calls that their caller runs, from both ends: a door that asks and runs, and the engine that asks in between."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import anyio
import pytest
from msgspec.structs import replace
from msgspec.structs import replace as changed

from bridge_mcp.callers import CallerLock, caller_lives
from bridge_mcp.core.entries import Asked, External, Finished, Judged, Started, approval_id
from bridge_mcp.core.external_calls import LOOK_S
from bridge_mcp.core.projections import Approval
from bridge_mcp.engine.engine import Engine
from bridge_mcp.operations.external_calls import Begun, ExternalCalls, Request, report, request_of
from bridge_mcp.ports import ChannelRules, Rules
from bridge_mcp.service import Bridge
from bridge_mcp.testing import FakeCallers, FakeChannel, FakeModel, FakeToolbox, ManualClock
from tests.integration.setup import HOST, OWNER, SUPERVISOR, open_store

SHELL = External("hook:agent", "Bash", about="in the session 12")
RULES = Rules(channels={"local": ChannelRules("local")})


async def no_complaint(*_: object) -> str:
    return ""


@dataclass
class Door:
    """A door that asks, and the bridge behind it."""

    calls: ExternalCalls
    bridge: Bridge
    clock: ManualClock
    alive: set[str]

    async def asks(self, external: External = SHELL, command: str = "ls", by: str = "hook:agent") -> Request:
        conversation = f"calls/hook.{uuid4().hex}"
        request = request_of(conversation, changed(external, caller=self.calls.caller), {"command": command}, by)
        assert await self.calls.free(request) is None
        await self.calls.ask(request)
        return request

    async def approval(self, request: Request) -> Approval:
        """The approval of a call, once it waits."""
        with anyio.fail_after(5):
            with closing(self.bridge.store.agenda.watch()) as changes:
                wanted = approval_id(request.conversation, "0.0")
                while (found := await self.bridge.store.approvals.get(wanted)) is None:
                    await changes.wait()
        return found

    async def over(self, request: Request) -> Finished:
        """What became of a call that nobody here runs."""
        with anyio.fail_after(5):
            while True:
                found = await self.calls.cleared(request.conversation, 0.05)
                assert not isinstance(found, Begun)
                if isinstance(found, Finished):
                    return found


@pytest.fixture
async def door(tmp_path: Path) -> AsyncGenerator[Door]:
    async with opened(tmp_path) as door:
        yield door


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[Door]:
    clock, alive = ManualClock(1000.0), {"me"}
    store = await open_store(folder, clock)
    local = FakeChannel("local")
    engine = Engine(store, RULES, {"local": local}, FakeModel(), FakeToolbox(), clock, callers=FakeCallers(alive))
    bridge = Bridge(store, RULES, {"local": local.traits}, clock=clock, check=no_complaint)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(engine.run)
        yield Door(ExternalCalls(store, RULES, clock, "me"), bridge, clock, alive)
        tasks.cancel_scope.cancel()
    await store.close()


async def test_an_approved_call_is_begun_by_its_caller_and_never_by_the_engine(door: Door) -> None:
    request = await door.asks()
    approval = await door.approval(request)
    assert (approval.tool, approval.server) == ("hook:agent__Bash", "hook:agent")
    assert approval.requested_by == "hook:agent"
    assert "in the session 12" in approval.reason
    await door.bridge.approve_call(SUPERVISOR, approval.id, digest=approval.digest)
    begun = await door.calls.cleared(request.conversation, 5)
    assert isinstance(begun, Begun)
    assert begun.arguments == '{"command":"ls"}'
    assert await door.calls.finish(begun, Finished(begun.call, "ok", "a.txt"))
    finished = await door.calls.cleared(request.conversation, 0)
    assert isinstance(finished, Finished)
    assert (finished.outcome, finished.content, finished.digest) == ("ok", "a.txt", approval.digest)
    log = await door.bridge.store.log.load(request.conversation)
    assert [e.entry.runner for e in log if isinstance(e.entry, Started)] == ["me"]


async def test_what_is_free_is_begun_at_once_and_written_whole(door: Door) -> None:
    looks = changed(SHELL, tool="Read", read_only=True)
    request = request_of("calls/hook.1", looks, {"path": "a"}, "hook:agent")
    free = await door.calls.free(request)
    assert free is not None
    assert free.because == "read-only"
    begun = await door.calls.begin(request, free)
    assert await door.calls.finish(begun, Finished(begun.call, "ok", "text"))
    assert not await report(door.bridge.store, "calls/hook.1", Finished("0.0", "error", "late"))


async def test_a_grant_for_the_same_tool_of_the_same_server_frees_it_and_no_other(door: Door) -> None:
    shell = changed(SHELL, server="gate:shell@12345678")
    first = await door.approval(await door.asks(shell))
    await door.bridge.approve_call(SUPERVISOR, first.id, remember="always")
    again = request_of("calls/gate.2", shell, {"command": "rm"}, "gate:shell")
    free = await door.calls.free(again)
    assert free is not None
    assert free.because.startswith("grant")
    for other in (changed(SHELL, server="gate:shell@87654321"), changed(SHELL, server="hook:shell")):
        assert await door.calls.free(request_of("calls/gate.3", other, {"command": "rm"}, "gate:shell")) is None


async def test_edited_arguments_are_what_it_runs_with(door: Door) -> None:
    request = await door.asks()
    approval = await door.approval(request)
    await door.bridge.approve_call(SUPERVISOR, approval.id, arguments={"command": "ls -l"})
    begun = await door.calls.cleared(request.conversation, 5)
    assert isinstance(begun, Begun)
    assert begun.arguments == '{"command":"ls -l"}'


async def test_a_rejected_call_is_over_with_the_reason(door: Door) -> None:
    request = await door.asks()
    await door.bridge.reject_call(SUPERVISOR, (await door.approval(request)).id, reason="not here")
    found = await door.over(request)
    assert found.outcome == "denied"
    assert "not here" in found.content
    verdict = await door.calls.verdict(request.conversation)
    assert verdict is not None
    assert (verdict.verdict, verdict.note) == ("rejected", "not here")


async def test_of_several_processes_one_runs_a_call(door: Door) -> None:
    request = await door.asks()
    others = [replace(door.calls, caller=f"other {n}") for n in range(4)]
    door.alive.update(each.caller for each in others)
    approval = await door.approval(request)
    found: list[object] = []

    async def waits(calls: ExternalCalls) -> None:
        found.append(await calls.cleared(request.conversation, 0.5))

    async with anyio.create_task_group() as tasks:
        for each in (door.calls, *others):
            tasks.start_soon(waits, each)
        await door.bridge.approve_call(SUPERVISOR, approval.id)
    assert sum(isinstance(each, Begun) for each in found) == 1
    assert sum(each is None for each in found) == 4


async def test_a_call_whose_runner_is_gone_is_unknown(door: Door) -> None:
    request = await door.asks()
    await door.bridge.approve_call(SUPERVISOR, (await door.approval(request)).id)
    assert isinstance(await door.calls.cleared(request.conversation, 5), Begun)
    door.clock.advance(LOOK_S + 1)
    assert await door.calls.cleared(request.conversation, 0.1) is None, "its runner lives"
    door.alive.clear()
    door.clock.advance(LOOK_S + 1)
    assert (await door.over(request)).outcome == "unknown"


async def test_another_process_may_tell_the_outcome_for_a_while(door: Door) -> None:
    request = await door.asks(changed(SHELL, report_s=60.0))
    await door.bridge.approve_call(SUPERVISOR, (await door.approval(request)).id)
    assert isinstance(await door.calls.cleared(request.conversation, 5), Begun)
    door.alive.clear()
    door.clock.advance(LOOK_S + 1)
    assert await door.calls.cleared(request.conversation, 0.1) is None
    assert await report(door.bridge.store, request.conversation, Finished("0.0", "ok", "done"))
    assert (await door.over(request)).outcome == "ok"


async def test_a_call_that_lapses_with_its_caller_is_withdrawn_and_says_so(door: Door) -> None:
    request = await door.asks(changed(SHELL, lapses=True))
    approval = await door.approval(request)
    door.alive.clear()
    door.clock.advance(LOOK_S + 1)
    assert (await door.over(request)).outcome == "undelivered"
    assert (await door.bridge.store.approvals.get(approval.id)).status == "cancelled"  # type: ignore[union-attr]


async def test_an_approved_call_that_nobody_begins_is_not_delivered(door: Door) -> None:
    request = await door.asks(changed(SHELL, claim_s=30.0))
    await door.bridge.approve_call(SUPERVISOR, (await door.approval(request)).id)
    door.clock.advance(31)
    found = await door.over(request)
    assert found.outcome == "undelivered"
    assert "gone" in found.content


async def test_whoever_asked_may_not_decide_and_the_owner_may(door: Door) -> None:
    request = await door.asks(by=HOST.name)
    approval = await door.approval(request)
    with pytest.raises(Exception, match="may not decide"):
        await door.bridge.approve_call(HOST, approval.id)
    await door.bridge.approve_call(OWNER, approval.id)


async def test_what_was_asked_is_bound_by_what_the_tool_says_of_itself(door: Door) -> None:
    one = await door.approval(await door.asks())
    other = await door.approval(await door.asks(changed(SHELL, definition="sha256:11")))
    assert one.digest != other.digest
    log = await door.bridge.store.log.load(one.conversation)
    assert [e.entry.digest for e in log if isinstance(e.entry, Asked)] == [one.digest]
    assert not [e for e in log if isinstance(e.entry, Judged)]


def test_a_process_lives_as_long_as_it_holds_its_lock(tmp_path: Path) -> None:
    with CallerLock(tmp_path / "callers") as lock:
        assert caller_lives(tmp_path / "callers", lock.name)
        assert not caller_lives(tmp_path / "callers", "0123456789abcdef")
        assert not caller_lives(tmp_path / "callers", "../../etc/passwd")
    assert not caller_lives(tmp_path / "callers", lock.name)
    left = tmp_path / "callers" / "00112233445566aa.lock"
    left.touch()
    assert not caller_lives(tmp_path / "callers", "00112233445566aa")
    assert not left.exists()
