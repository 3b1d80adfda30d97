"""Every crash point x every interleaved event x every verdict: nothing twice, unasked, lost or stuck."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from bridge_mcp.core.decide import decide
from bridge_mcp.core.entries import Stopped
from bridge_mcp.core.policy import Budget
from bridge_mcp.core.steps import Idle, Wait
from bridge_mcp.ports import Store
from bridge_mcp.stores.sqlite import open_store, verify
from tests.crash.world import Clock, Crash, Points, World, findings

VERDICTS = ("approve", "reject", "expire")

TOOL_EVENTS = ("leave", "change", "withdraw")
"""What may become of a tool. One that leaves comes back once everything waits for it."""

SAMPLE, FEWER = 240, 100
"""How many of the runs with a message, or with anything else, are a sample of them; the option `--full` runs all."""

AT_ONCE = 24
"""Runs that share the store at the same time: group commit makes them cheap, and they must not disturb each other."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path / "bridge.db", clock=Clock(), delivered_by_commit=frozenset({"local"}))
    yield opened
    await opened.close()


async def points_of(store: Store, verdict: str) -> list[str]:
    """The crash points that a run comes by when nothing goes wrong."""
    world = World(store, f"local/plain-{verdict}", verdict)
    await world.hear("m1")
    names: list[str] = []
    for _ in range(60):
        points = Points()
        await world.drive(points).run()
        names += points.seen
        if not await store.approvals.find(status="waiting", conversation=world.conversation):
            break
        await world.judge()
    assert findings(world, await store.log.load(world.conversation), crashed=False) == []
    return names


async def run_all(runs: list[Callable[[], Awaitable[list[str]]]]) -> list[str]:
    """All findings of many runs, some at a time."""
    found: list[str] = []
    slots = anyio.CapacityLimiter(AT_ONCE)

    async def one(run: Callable[[], Awaitable[list[str]]]) -> None:
        async with slots:
            found.extend(await run())

    async with anyio.create_task_group() as tasks:
        for run in runs:
            tasks.start_soon(one, run)
    return found


def sample(runs: list[Callable[[], Awaitable[list[str]]]], count: int) -> list[Callable[[], Awaitable[list[str]]]]:
    """Some of the runs, the same each time."""
    return random.Random(11).sample(runs, count)


async def one_run(store: Store, name: str, verdict: str, crash: int, event: int, what: str) -> list[str]:
    """A run with a crash at one point and an event at another (-1: none)."""
    world = World(store, f"local/{name}-{verdict}-{crash}-{event}", verdict)
    world.points.crash_at = crash

    async def happen() -> None:
        match what:
            case "message":
                await world.hear("m2", "and also this")
            case "stop":
                await world.stop()
            case "clear":
                await world.clear()
            case "take back":
                await world.take_back()
            case "leave":
                world.offer.leave()
            case "change":
                world.offer.change()
            case "withdraw":
                world.offer.withdraw()
            case _:
                await world.takeover()

    if event >= 0:
        world.points.at[event] = happen
    await world.hear("m1")
    await world.hear("m1")
    log = await world.run()
    answered = what in ("message", "takeover", "take back", *TOOL_EVENTS) or event < 0
    crashed = crash >= 0 or what == "takeover"
    found = findings(world, log, crashed=crashed, expect_reply=answered)
    return [f"{what} at {event}, crash at {crash}, {verdict}: {each}" for each in found]


@pytest.mark.shows("approvals.restart")
@pytest.mark.slow
async def test_a_crash_at_every_point_with_a_message_at_every_point(store: Store, full: bool) -> None:
    runs: list[Callable[[], Awaitable[list[str]]]] = []
    for verdict in VERDICTS:
        count = len(await points_of(store, verdict))
        for crash in range(-1, count):
            runs += [bind(store, "message", verdict, crash, event, "message") for event in range(-1, count)]
    assert len(runs) > 2000
    runs = runs if full else sample(runs, SAMPLE)
    found = await run_all(runs)
    assert found == [], f"{len(found)} findings in {len(runs)} runs"
    assert await store.agenda.due(float("inf"), 10) == (), "a conversation was left due though it has nothing to do"


@pytest.mark.slow
@pytest.mark.parametrize("what", ["stop", "clear", "takeover"])
async def test_a_stop_a_clearing_and_a_takeover_at_every_point(store: Store, what: str, full: bool) -> None:
    runs: list[Callable[[], Awaitable[list[str]]]] = []
    for verdict in VERDICTS:
        count = len(await points_of(store, verdict))
        for event in range(count):
            runs += [bind(store, what, verdict, crash, event, what) for crash in (-1, event + 1, event + 4)]
    found = await run_all(runs if full else sample(runs, FEWER))
    assert found == [], f"{len(found)} findings in {len(runs)} runs"


@pytest.mark.slow
@pytest.mark.parametrize("what", TOOL_EVENTS)
async def test_a_tool_that_leaves_or_becomes_another_or_is_withdrawn_at_every_point(
    store: Store, tmp_path: Path, what: str
) -> None:
    """No approval outlives its call, what was approved runs once its tool is back, and nothing else runs."""
    runs: list[Callable[[], Awaitable[list[str]]]] = []
    for first, verdict in enumerate(VERDICTS):
        count = len(await points_of(store, verdict))
        for event in range(first, count, len(VERDICTS)):
            runs += [bind(store, what, verdict, crash, event, what) for crash in (-1, event + 2)]
    found = await run_all(runs)
    assert found == [], f"{len(found)} findings in {len(runs)} runs"
    assert await store.approvals.find(status="waiting") == ()
    assert verify(tmp_path / "bridge.db") == ()


@pytest.mark.parametrize("what", TOOL_EVENTS)
async def test_what_becomes_of_a_tool_at_some_points(store: Store, tmp_path: Path, what: str) -> None:
    """A seeded sample of the same."""
    count = len(await points_of(store, "approve"))
    points = random.Random(7).sample(range(count), 8)
    runs = [bind(store, what, "approve", crash, event, what) for event in points for crash in (-1, event + 2)]
    assert await run_all(runs) == []
    assert verify(tmp_path / "bridge.db") == ()


async def test_a_message_that_is_taken_back_leaves_the_turn_alone_at_some_points(store: Store, tmp_path: Path) -> None:
    """Another's message joins the turn and is taken back at once: the turn before it is answered, and only that."""
    count = len(await points_of(store, "approve"))
    points = random.Random(9).sample(range(count), 12)
    runs = [bind(store, "back", "approve", crash, event, "take back") for event in points for crash in (-1, event + 2)]
    assert await run_all(runs) == []
    assert verify(tmp_path / "bridge.db") == ()


def bind(
    store: Store, name: str, verdict: str, crash: int, event: int, what: str
) -> Callable[[], Awaitable[list[str]]]:
    return lambda: one_run(store, name, verdict, crash, event, what)


async def test_after_a_crash_at_any_point_the_agenda_names_the_conversation(store: Store) -> None:
    """What a crash leaves in the middle must be found by the next engine, from the store alone."""
    count = len(await points_of(store, "approve"))
    for crash in range(count):
        world = World(store, f"local/found-{crash}")
        world.points.crash_at = crash
        await world.hear("m1")
        with contextlib.suppress(Crash, BaseExceptionGroup):
            await world.drive(world.points).run()
        step = decide(await store.log.load(world.conversation), world.policy(), world.clock.now())
        due = world.conversation in await store.agenda.due(world.clock.now(), 10_000)
        assert due or isinstance(step, Idle | Wait), f"crash {crash}: {step} would never be done"


async def test_a_model_call_that_always_kills_the_process_ends_in_a_stop(store: Store) -> None:
    world = World(store, "local/deadly")
    await world.hear("m1")
    crashes = 0
    for _ in range(10):
        points = DeadlyModel()
        try:
            await world.drive(points).run()
        except (Crash, BaseExceptionGroup):
            crashes += 1
    log = await store.log.load(world.conversation)
    assert crashes == Budget().attempts
    assert isinstance(log[-1].entry, Stopped)
    assert "attempts" in log[-1].entry.reason


class DeadlyModel(Points):
    """Crash points of a process that dies whenever it calls the model."""

    async def reach(self, name: str) -> None:
        if name == "before the model":
            self.crash_at = len(self.seen)
        await super().reach(name)
