"""A crash, a stop, a clearing, a takeover and a tool that changes at every point of a turn whose calls are reviewed."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge_mcp.core.approval_settings import Reviewer
from bridge_mcp.core.entries import Asked, Entry, Judged, Log, Reviewed, Started
from bridge_mcp.ports import Model, ModelReply, ModelRequest, OnText, Store
from bridge_mcp.stores.sqlite import open_store
from tests.crash.test_every_point import run_all
from tests.crash.world import Clock, Points, Teller, World, findings

SAMPLE = 60
"""How many of the runs are made without the option `--full`."""

ANSWER = '{"verdict":"approve","reason":"fine"}'


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path / "bridge.db", clock=Clock(), delivered_by_commit=frozenset({"local"}))
    yield opened
    await opened.close()


class Reviewing(Teller):
    """The model of the turn, and the reviewer, which approves each call."""

    async def reply(self, request: ModelRequest, on_text: OnText | None = None) -> ModelReply:
        if request.model != "small":
            return await super().reply(request, on_text)
        await self._points.reach("before the reviewer")
        await self._points.reach("after the reviewer")
        return ModelReply(ANSWER)


@dataclass
class ReviewedWorld(World):
    """A conversation whose calls a reviewer decides; what it leaves to people is rejected."""

    verdict: str = "reject"

    def model_at(self, points: Points) -> Model:
        return Reviewing(points)

    async def takeover(self) -> None:
        await ReviewedWorld(
            self.store,
            self.conversation,
            paid=self.paid,
            offer=self.offer,
            clock=self.clock,
            reviewer=self.reviewer,
        ).run()


def wrong(world: World, log: Log, *, crashed: bool, answered: bool) -> list[str]:
    """What went wrong in a run; nothing should."""
    found = findings(world, log, crashed=crashed, expect_reply=answered)
    entries: list[Entry] = [logged.entry for logged in log]
    begun = [e.call for e in entries if isinstance(e, Started) and e.effect == "review"]
    if len(begun) != len(set(begun)):
        found.append(f"a reviewer was asked twice: {begun}")
    said = {e.call: e for e in entries if isinstance(e, Reviewed) and e.says != "escalate"}
    escalated = {e.call for e in entries if isinstance(e, Reviewed) and e.says == "escalate"}
    for judged in (e for e in entries if isinstance(e, Judged) and e.by == "reviewer"):
        asked = next(e for e in entries if isinstance(e, Asked) and e.call == judged.call)
        if judged.call in escalated or judged.call not in said or judged.digest != asked.digest:
            found.append(f"a verdict that the reviewer did not give: {judged}")
    lost = set(begun) - said.keys() - escalated
    open_still = lost - {e.call for e in entries if isinstance(e, Judged)}
    if open_still:
        found.append(f"reviews that were lost, and nobody was asked: {open_still}")
    return found


async def one_run(store: Store, policy: str, crash: int, event: int, what: str) -> list[str]:
    world = ReviewedWorld(
        store, f"local/{what}-{crash}-{event}", reviewer=Reviewer("small", policy, "approve", per_minute=100)
    )
    world.points.crash_at = crash
    happens: dict[str, Callable[[], Awaitable[None]]] = {
        "stop": world.stop,
        "clear": world.clear,
        "takeover": world.takeover,
        "change": at_once(world.offer.change),
        "leave": at_once(world.offer.leave),
    }
    if event >= 0:
        world.points.at[event] = happens[what]
    await world.hear("m1")
    log = await world.run()
    crashed, answered = crash >= 0 or what == "takeover", what not in ("stop", "clear") or event < 0
    found = wrong(world, log, crashed=crashed, answered=answered)
    if not crashed and event < 0:
        found += [] if world.paid == ["b", "c", "d"] else [f"what was approved did not run: {world.paid}"]
    return [f"{what} at {event}, crash at {crash}: {each}" for each in found]


def at_once(act: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    async def happen() -> None:
        act()

    return happen


def bind(store: Store, policy: str, crash: int, event: int, what: str) -> Callable[[], Awaitable[list[str]]]:
    return lambda: one_run(store, policy, crash, event, what)


@pytest.mark.shows("approvals.review-fails-closed")
@pytest.mark.slow
async def test_whatever_happens_around_a_review_nothing_runs_that_was_not_let_run(
    store: Store, tmp_path: Path, full: bool
) -> None:
    (tmp_path / "policy.md").write_text("Paying is fine.", "utf-8")
    policy = str(tmp_path / "policy.md")
    plain = ReviewedWorld(store, "local/plain", reviewer=Reviewer("small", policy, "approve", per_minute=100))
    await plain.hear("m1")
    points = plain.points
    await plain.run()
    assert "after the reviewer" in points.seen
    count = len(points.seen)
    runs = [bind(store, policy, crash, -1, "stop") for crash in range(-1, count)]
    for what in ("stop", "clear", "takeover", "change", "leave"):
        for event in range(0, count, 2):
            runs += [bind(store, policy, crash, event, what) for crash in (-1, event + 2)]
    assert len(runs) > 150
    runs = runs if full else random.Random(7).sample(runs, SAMPLE)
    found = await run_all(runs)
    assert found == [], f"{len(found)} findings in {len(runs)} runs"
