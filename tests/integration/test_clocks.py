"""Clocks that are set and machines that sleep: nothing waits longer, and nothing that people were promised ends sooner.

A virtual clock has two hands: wall time, which may be set, and elapsed time, which only goes on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias

import anyio
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge_mcp.core.decide import decide
from bridge_mcp.core.entries import (
    Asked,
    Call,
    Failed,
    Heard,
    Logged,
    Posted,
    Question,
    Replied,
    Scheduled,
    Started,
)
from bridge_mcp.core.errors import SendFailed
from bridge_mcp.core.grants import Grant
from bridge_mcp.core.policy import Policy
from bridge_mcp.core.redate import none_ahead
from bridge_mcp.core.steps import Wait
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.operations import clocks
from bridge_mcp.operations.recent_log import LogCache
from bridge_mcp.ports import ModelCall, ModelReply, ModelRequest, Pairing, PairingRequest, Store
from bridge_mcp.testing import FakeModel, FakeToolbox, says
from tests.integration.setup import ANN, OWNER, SUPERVISOR, open_store, rules_for, verify, world

START = 1_800_000_000.0
HOUR, DAY = 3600.0, 86400.0


@dataclass
class Hands:
    """A clock whose wall time may be set."""

    wall: float = START
    passed: float = 0.0

    def now(self) -> float:
        return self.wall

    def elapsed(self) -> float:
        return self.passed

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.passed += seconds


Move: TypeAlias = tuple[Literal["pass", "set", "restart"], float]

MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.sampled_from([1.0, 7.0, 30.0, 100.0, HOUR])),
        st.tuples(st.just("set"), st.sampled_from([-30 * DAY, -HOUR, -90.0, -2.0, 2.0, 90.0, HOUR, 30 * DAY])),
        st.tuples(st.just("restart"), st.just(0.0)),
    ),
    max_size=8,
)

APPROVAL_S, QUESTION_S, RETRY_S, REMINDER_S, GRANT_S = 60.0, 80.0, 10.0, 50.0, 40.0
TOLERANCE_S = 2.0
"""What a clock may be off without having been set, twice."""

PAY = ToolSpec("bank__pay", "bank", "pay", description="Pay.", schema="{}")


@dataclass
class Waiting:
    """A store in which one thing of each kind waits, and what ended."""

    store: Store
    deps: Hands
    recent_logs: LogCache
    jumps: clocks.Jumps
    ended: dict[str, float] = field(default_factory=dict[str, float])
    """By kind, the elapsed time at which it was seen to have ended."""
    restarts: int = 0

    async def begin(self) -> None:
        now, log = self.deps.now(), self.store.log
        asked = Asked("0.0", "bank", "bank__pay", arguments="{}", digest="", expires_at=now + APPROVAL_S)
        calls = Replied("", (Call("0.0", "bank__pay", "{}"),), upto=1, turn=0)
        await log.intend("a/approval", 0, Heard("pay", ANN, "1"), calls, asked, wake=now + APPROVAL_S)
        question = Posted("really?", ANN, "q", question=Question((), now + QUESTION_S, call="0.0"))
        await log.intend("a/question", 0, Heard("pay", ANN, "1"), calls, question, wake=now + QUESTION_S)
        failed = Failed("model", 1, "busy", retry_at=now + RETRY_S)
        await log.intend("a/retry", 0, Heard("hi", ANN, "1"), Started("model", turn=0), failed, wake=now + RETRY_S)
        await log.intend("a/reminder", 0, Scheduled("a/x", "look", now + REMINDER_S, call="0.0"), wake=now + REMINDER_S)
        await self.store.grants.add(
            Grant(0, "bank__pay", "a/1", arguments=(), expires_at=now + GRANT_S, by="ann", created_at=now)
        )
        for conversation in ("a/approval", "a/question", "a/retry", "a/reminder"):
            await self.drive(conversation)

    async def restart(self) -> None:
        """A new engine: nothing is known but the store."""
        self.restarts += 1
        self.recent_logs = LogCache(self.store.log, now=self.deps.now)
        self.jumps = clocks.Jumps(self.deps, self.deps.elapsed)
        await self.store.agenda.take_over(self.deps.now())

    async def look(self) -> None:
        """What an engine does at least every few seconds."""
        if jump := self.jumps.look():
            await clocks.follow(jump, self.recent_logs, self.store.agenda, self.deps)
        now = self.deps.now()
        for conversation in await self.store.agenda.due(now, 10):
            await self.drive(conversation)
        if not [grant for grant in await self.store.grants.active(now) if grant.covers("bank__pay", {}, "a/1", now)]:
            self.ended.setdefault("grant", self.deps.elapsed())

    async def drive(self, conversation: str) -> None:
        log = await self.recent_logs.get(conversation, 50)
        policy = Policy(conversation, {PAY.name: PAY})
        step = decide(log, policy, self.deps.now())
        if isinstance(step, Wait):
            await self.store.agenda.rest(conversation, log[-1].seq + 1, step.until)
        else:
            self.ended.setdefault(conversation.partition("/")[2], self.deps.elapsed())
            await self.store.agenda.rest(conversation, log[-1].seq + 1, None)


async def play(moves: Sequence[Move]) -> Waiting:
    """Make the moves, and look after each; time that passes is looked at often, as an engine does."""
    with TemporaryDirectory() as folder:
        deps = Hands()
        store = await open_store(Path(folder), deps)
        recent_logs = LogCache(store.log, now=deps.now)
        it = Waiting(store, deps, recent_logs, jumps=clocks.Jumps(deps, deps.elapsed))
        await it.begin()
        for kind, amount in moves:
            match kind:
                case "pass":
                    step = amount / 4
                    for _ in range(4):
                        deps.pass_by(step)
                        await it.look()
                case "set":
                    deps.wall += amount
                    await it.look()
                case "restart":
                    await it.restart()
                    await it.look()
        await store.close()
        return it


LIMITS = {
    "approval": APPROVAL_S,
    "question": QUESTION_S,
    "retry": RETRY_S,
    "reminder": REMINDER_S,
    "grant": GRANT_S,
}


@pytest.mark.shows("store.clock")
@settings(max_examples=40, deadline=None)
@given(MOVES)
@example([("set", -HOUR), ("pass", 100.0)])
@example([("pass", 7.0), ("set", -30 * DAY), ("pass", 100.0)])
@example([("set", 30 * DAY), ("pass", 7.0), ("set", -30 * DAY), ("pass", 100.0)])
@example([("set", HOUR)])
def test_nothing_waits_longer_for_a_clock_that_was_set(moves: list[Move]) -> None:
    """Within a process each wait ends with its time, whatever the clock shows; a restart begins it anew at most."""
    end: Move = ("pass", 4.0)
    it = anyio.run(play, [*moves, end])
    for kind, limit in LIMITS.items():
        # What a new process finds may be from before a clock was set: it begins anew when it is first looked at.
        most = (limit + TOLERANCE_S) * (1 + 2 * it.restarts)
        assert it.deps.elapsed() <= most or kind in it.ended, (kind, it.deps.elapsed())


@settings(max_examples=25, deadline=None)
@given(MOVES.filter(lambda moves: not any(kind == "restart" for kind, _ in moves)))
@example([("set", HOUR)])
@example([("set", HOUR), ("set", -HOUR), ("set", 90.0)])
def test_a_question_stays_open_as_long_as_people_were_promised(moves: list[Move]) -> None:
    it = anyio.run(play, moves)
    assert it.ended.get("question", QUESTION_S) >= QUESTION_S - TOLERANCE_S


async def test_a_clock_set_ahead_ends_an_approval_and_a_grant_and_no_question() -> None:
    it = await play([("set", HOUR)])
    assert it.ended.keys() == {"approval", "retry", "reminder", "grant"}


def test_an_entry_from_a_clock_that_was_ahead_counts_as_written_now() -> None:
    ahead = Logged(3, START + 30 * DAY, Failed("model", 1, "busy", retry_at=START + 30 * DAY + 10))
    assert none_ahead(ahead, START) == Logged(3, START, Failed("model", 1, "busy", retry_at=START + 10))
    assert none_ahead(ahead, START + 31 * DAY) is ahead


# -- the whole bridge ------------------------------------------------------------------------------------------


class Jumpy:
    """The machine's clock, set ahead or back by `off`."""

    off = 0.0

    def now(self) -> float:
        return time.time() + self.off


@pytest.mark.shows("tools.wait-bounded")
async def test_a_wait_of_a_client_ends_in_time_when_the_clock_is_set_back(tmp_path: Path) -> None:
    clock = Jumpy()
    async with world(tmp_path, clock=clock) as it:

        async def set_back() -> None:
            await anyio.sleep(0.2)
            clock.off = -HOUR

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(set_back)
            with anyio.fail_after(8):
                page = await it.bridge.wait_for_events(OWNER, after=await it.store.feed.head(), timeout_s=1)
                assert page.events == ()


async def test_a_message_to_be_sent_again_does_not_wait_the_hour_that_the_clock_went_back(tmp_path: Path) -> None:
    clock = Jumpy()
    async with world(tmp_path, clock=clock) as it:
        await it.store.access.pair(Pairing("family", "1"))
        it.family.fail(SendFailed("busy", retry_after_s=3.0))
        await it.bridge.send_message(OWNER, "family/1", "first", wait_s=0.5)
        clock.off = -HOUR
        second = await it.bridge.send_message(OWNER, "family/1", "second", wait_s=20)
        assert second.status == "sent"
        assert [each.text for each in it.family.sent] == ["first", "second"]


async def test_an_entry_from_a_clock_that_was_ahead_dates_nothing_that_follows(tmp_path: Path) -> None:
    """A grant for ten minutes held for thirty days, and today's spending was not seen."""
    clock, box = Jumpy(), FakeToolbox()

    @box.tool("files__delete")
    async def delete(arguments: object) -> str:
        return "done"

    def reply(request: ModelRequest) -> ModelReply:
        if any(message.calls for message in request.messages):
            return says("done")
        return ModelReply("", (ModelCall("m1", "files__delete", "{}"),))

    async with world(tmp_path, FakeModel(reply), box, clock=clock) as it:
        clock.off = 30 * DAY
        await it.store.log.record("local/main", Heard("from the future", ANN, "x", to="relay"))
        clock.off = 0.0
        await it.say("delete it")
        (approval,) = await it.approvals()
        await it.bridge.approve_call(SUPERVISOR, approval.id, remember="conversation", remember_s=600.0)
        (grant,) = await it.bridge.list_grants(OWNER)
        assert 0 < grant.expires_at - time.time() <= 600
        today = int(time.time() // DAY)
        assert (await it.store.spending.on(today, "local/main"))[0].calls > 0
        log = await it.bridge.read_log(OWNER, "local/main")
        assert [logged.seq for logged in log] == list(range(len(log)))
        assert log[0].at > time.time() + 29 * DAY
        assert log[1].at <= time.time()
        assert verify(tmp_path) == ()


async def test_an_approval_that_expired_while_the_machine_slept_is_noticed_soon(tmp_path: Path) -> None:
    clock, box = Jumpy(), FakeToolbox()

    @box.tool("files__delete")
    async def delete(arguments: object) -> str:
        return "done"

    def reply(request: ModelRequest) -> ModelReply:
        if any(message.calls for message in request.messages):
            return says("expired")
        return ModelReply("", (ModelCall("m1", "files__delete", "{}"),))

    async with world(tmp_path, FakeModel(reply), box, clock=clock, rules=rules_for(expires_s=60.0)) as it:
        await it.say("delete it")
        await it.approvals()
        clock.off = HOUR
        with anyio.fail_after(20):
            while await it.bridge.list_approvals(OWNER):  # noqa: ASYNC110
                await anyio.sleep(0.1)
        assert box.count("files__delete") == 0


async def test_a_pairing_code_from_the_future_is_worth_nothing(tmp_path: Path) -> None:
    store = await open_store(tmp_path, Hands())
    request = PairingRequest("123456", "family", "1", name="Ann", at=START + DAY, expires_at=START + DAY + 600)
    assert await store.access.request(request, 10) is not None
    assert await store.access.requests(START) == ()
    assert len(await store.access.requests(START + DAY)) == 1
    await store.close()


@pytest.mark.parametrize("by", [-HOUR, -2.0, 2.0, HOUR])
def test_a_jump_is_noticed_once_and_a_slewed_clock_is_none(by: float) -> None:
    deps = Hands()
    jumps = clocks.Jumps(deps, deps.elapsed)
    for _ in range(100):
        deps.pass_by(1.0)
        deps.wall += 0.0005
        assert jumps.look() == 0.0
    before = deps.wall
    deps.wall += by
    assert jumps.look() == pytest.approx(by, abs=0.01)
    assert jumps.look() == 0.0
    assert jumps.ahead_since(before - 1) == pytest.approx(max(0.0, by), abs=0.01)
    assert jumps.ahead_since(before + 1) == 0.0
