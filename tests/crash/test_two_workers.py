"""The matrix on Postgres, with two workers on one conversation: each has a store of its own, as two processes have.

What one was doing when it died the other goes on with; and one that only stood still wakes up in the middle of what the
other has done meanwhile, and does no harm.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, TextIO, TypeAlias

import anyio
import anyio.to_thread
import pytest

from bridge_mcp.core.entries import Log
from bridge_mcp.ports import Store
from bridge_mcp.stores.postgres.connecting import Database as Place
from bridge_mcp.stores.postgres.migrate import migrate
from bridge_mcp.stores.postgres.store import open_store
from tests.crash.test_every_point import TOOL_EVENTS, VERDICTS, points_of, run_all
from tests.crash.world import Clock, Points, World, findings
from tests.servers.postgres import Database, Served

EVENTS = ("message", "stop", "clear", "take back", "takeover", *TOOL_EVENTS)

SAMPLE = 60
"""How many runs are a sample of all; the option `--full` runs them all."""

LOCAL = frozenset({"local"})

SHARE = 150
"""Runs that one process does in one database: with more of them each costs more."""

BOUND_S = 15 * 60.0
"""How long all of them may take, on a machine that does other things beside."""

Run: TypeAlias = tuple[str, int, int, str]
"""A verdict, where the process dies, where something happens (-1: nowhere), and what."""


@dataclass(frozen=True)
class Pair:
    """The stores of two processes on one database."""

    one: Store
    other: Store


@pytest.fixture
async def pair(database: Database) -> AsyncGenerator[Pair]:
    async with opened(database) as made:
        yield made


@asynccontextmanager
async def opened(database: Database) -> AsyncGenerator[Pair]:
    """The stores of two processes."""
    one = await open_store(database.url, clock=Clock(), delivered_by_commit=LOCAL)
    other = await open_store(database.url, clock=Clock(), delivered_by_commit=LOCAL)
    try:
        yield Pair(one, other)
    finally:
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


async def all_runs(store: Store) -> list[Run]:
    """The matrix. Who dies before an event never meets it: that run is in it once, and not once for each event."""
    runs: list[Run] = []
    for verdict in VERDICTS:
        count = len(await points_of(store, verdict))
        for what in EVENTS:
            runs += [
                (verdict, crash, event, what)
                for event in range(count)
                for crash in ((-1, *range(event, count)) if what == "message" else (-1, event + 1, event + 4))
            ]
        runs += [(verdict, crash, -1, "message") for crash in range(count)]
    return runs


@pytest.mark.shows("workers.crash-matrix")
@pytest.mark.slow
async def test_every_crash_point_with_every_event_and_every_verdict_and_two_workers(
    pair: Pair, full: bool, postgres: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sample of the matrix; the option `--full` has all of it done, prints how far it is, and ends within a bound."""
    runs = await all_runs(pair.one)
    assert len(runs) > 3000
    if full:
        with capsys.disabled():
            done = await anyio.to_thread.run_sync(Matrix(postgres, runs, sys.stdout).done)
        assert done == [], f"{len(done)} findings"
        return
    chosen = random.Random(12).sample(runs, SAMPLE)
    found = await run_all([lambda run=run: one_run(pair, *run) for run in chosen])
    assert found == [], f"{len(found)} findings in {len(chosen)} runs"
    assert await pair.one.verify() == ()


# -- the whole of it ---------------------------------------------------------------------------------------------


class Matrix:
    """Runs in as many processes as there are cores, some at a time, each time in a database of their own."""

    def __init__(self, server: Served, runs: list[Run], out: TextIO) -> None:
        self._server = server
        self._runs = random.Random(3).sample(runs, len(runs))  # each share is like the others
        self._out = out
        self._began = time.monotonic()
        self._done = 0
        self._found: list[str] = []
        self._cpu = 0.0

    def done(self) -> list[str]:
        """What was found; a bound that was met is a finding, too."""
        database = self._server.create()
        migrate(Place(database.url))
        shares = [self._runs[first : first + SHARE] for first in range(0, len(self._runs), SHARE)]
        processes = os.cpu_count() or 1
        self._say(f"{len(self._runs)} runs with two workers, in {processes} processes")
        try:
            with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
                doing = [pool.submit(share_done, self._server, database.name, share) for share in shares]
                try:
                    for share in as_completed(doing, BOUND_S):
                        self._take(share.result())
                except TimeoutError:
                    self._found.append(f"{self._done} of {len(self._runs)} runs were done within {BOUND_S:g} s")
                    pool.shutdown(wait=False, cancel_futures=True)
        finally:
            database.drop()
            took = time.monotonic() - self._began
            self._say(f"done: {self._done} runs in {took:.0f} s, {self._cpu:.0f} s of their processes' CPU")
            self._say("\n".join([f"{len(self._found)} findings", *self._found[:20]]))
        return self._found

    def _take(self, share: Share) -> None:
        self._done += share.runs
        self._cpu += share.cpu_s
        self._found += share.found
        self._say(f"{self._done} of {len(self._runs)}, {len(self._found)} findings")

    def _say(self, what: str) -> None:
        self._out.write(f"{time.monotonic() - self._began:7.1f} s  {what}\n")
        self._out.flush()


@dataclass(frozen=True)
class Share:
    """What came of some runs."""

    runs: int
    found: list[str]
    cpu_s: float


def share_done(server: Served, template: str, runs: list[Run]) -> Share:
    """Do some runs in a database that is a copy of that one, and check all that is stored then."""
    began = time.process_time()
    database = server.create(template=template)
    try:
        found = anyio.run(in_database, database, runs)
    finally:
        database.drop()
    return Share(len(runs), found, time.process_time() - began)


async def in_database(database: Database, runs: list[Run]) -> list[str]:
    """The findings of some runs."""
    async with opened(database) as pair:
        found = await run_all([lambda run=run: one_run(pair, *run) for run in runs])
        return [*found, *await pair.one.verify()]
