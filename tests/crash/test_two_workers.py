"""The matrix on Postgres, with two workers on one conversation: each has a store of its own, as two processes have.

What one was doing when it died the other goes on with; and one that only stood still wakes up in the middle of what the
other has done meanwhile, and does no harm.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from bridge_mcp.core.entries import Log
from bridge_mcp.ports import Store
from bridge_mcp.stores.postgres.store import open_store
from tests.crash.test_every_point import TOOL_EVENTS, VERDICTS, points_of, run_all
from tests.crash.world import Clock, Points, World, findings
from tests.servers.postgres import Database

EVENTS = ("message", "stop", "clear", "take back", "takeover", *TOOL_EVENTS)

SAMPLE = 60
"""How many runs are a sample of all; the option `--full` runs them all."""

LOCAL = frozenset({"local"})


@dataclass(frozen=True)
class Pair:
    """The stores of two processes on one database."""

    one: Store
    other: Store


@pytest.fixture
async def pair(database: Database) -> AsyncGenerator[Pair]:
    one = await open_store(database.url, clock=Clock(), delivered_by_commit=LOCAL)
    other = await open_store(database.url, clock=Clock(), delivered_by_commit=LOCAL)
    yield Pair(one, other)
    await one.close()
    await other.close()


class TwoWorkers(World):
    """A world whose next drive is always the other worker's, and whose events come through the other one."""

    def __init__(self, pair: Pair, conversation: str, verdict: str) -> None:
        super().__init__(pair.one, conversation, verdict)
        self.pair = pair

    def drive(self, points: Points) -> Any:
        """The drive of the worker whose turn it is."""
        made = super().drive(points)
        self.store = self.elsewhere
        return made

    @property
    def elsewhere(self) -> Store:
        """The store of the worker that does not drive."""
        return self.pair.other if self.store is self.pair.one else self.pair.one

    async def takeover(self) -> None:
        """The other worker drives the conversation to its end while this one stands still, and will wake up later."""
        other = World(self.store, self.conversation, self.verdict, paid=self.paid, offer=self.offer, clock=self.clock)
        await other.run()


async def one_run(pair: Pair, verdict: str, crash: int, event: int, what: str) -> list[str]:
    """A run with a crash at one point and an event at another (-1: none)."""
    world = TwoWorkers(pair, f"local/{what.replace(' ', '-')}-{verdict}-{crash}-{event}", verdict)
    world.points.crash_at = crash
    happens: dict[str, Callable[[], Awaitable[object]]] = {
        "message": lambda: world.hear("m2", "and also this"),
        "stop": world.stop,
        "clear": world.clear,
        "take back": world.take_back,
        "takeover": world.takeover,
    }

    async def happen() -> None:
        if what in TOOL_EVENTS:
            getattr(world.offer, what)()
        else:
            await happens[what]()

    if event >= 0:
        world.points.at[event] = happen
    await world.hear("m1")
    log: Log = await world.run()
    answered = what not in ("stop", "clear") or event < 0
    crashed = crash >= 0 or what == "takeover"
    found = findings(world, log, crashed=crashed, expect_reply=answered)
    return [f"{what} at {event}, crash at {crash}, {verdict}: {each}" for each in found]


@pytest.mark.shows("workers.crash-matrix")
@pytest.mark.slow
async def test_every_crash_point_with_every_event_and_every_verdict_and_two_workers(pair: Pair, full: bool) -> None:
    runs: list[tuple[str, int, int, str]] = []
    for verdict in VERDICTS:
        count = len(await points_of(pair.one, verdict))
        for what in EVENTS:
            runs += [
                (verdict, crash, event, what)
                for event in range(count)
                for crash in (range(-1, count) if what == "message" else (-1, event + 1, event + 4))
            ]
    assert len(runs) > 3000
    chosen = runs if full else random.Random(12).sample(runs, SAMPLE)
    found = await run_all([lambda run=run: one_run(pair, *run) for run in chosen])
    assert found == [], f"{len(found)} findings in {len(chosen)} runs"
    assert await pair.one.verify() == ()
