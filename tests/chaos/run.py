"""One run: people and programs write while workers are killed, stopped and cut off, and Postgres is restarted."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread

from bridge_mcp.core.entries import Delivered, Entry, Finished, Heard, Judged, Replied, Started
from bridge_mcp.core.errors import AlreadyDecided, BridgeError, StoreError
from bridge_mcp.ports import EventPage
from bridge_mcp.service import OWNER, Bridge
from tests.chaos.proxy import Proxy
from tests.chaos.yard import Child, Yard
from tests.servers.telegram import TelegramServer, User

T = TypeVar("T")

__all__ = ["Plan", "Report", "run"]

PATIENCE_S = 120.0
"""How long one message may take until its run has failed."""


LONG_S = 5.0
"""Answers that take longer are told of."""

LOOK_S = 5.0
"""After so long without an answer in a chat, its log is looked at."""


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    workers: int = 3
    chats: int = 500
    messages: int = 5000
    jobs: int = 60
    """Calls of a tool that a supervisor approves, through a face."""
    kills: int = 30
    every_s: tuple[float, float] = (3.0, 5.0)
    """Between two kills."""
    stops_s: float = 20.0
    """For how long one worker is stopped."""
    restarts: int = 2
    """Of Postgres."""
    cut_s: float = 8.0
    """For how long the way of one worker is cut."""
    seed: int = 0

    @property
    def lasts_s(self) -> float:
        """About how long it takes until all has happened that happens."""
        return self.kills * sum(self.every_s) / 2


@dataclass
class Report:
    """What a run found and measured."""

    wrong: list[str] = field(default_factory=list[str])
    answered: int = 0
    uncertain: int = 0
    kills: int = 0
    took: list[float] = field(default_factory=list[float])
    """Seconds from each message to what became of its answer."""
    happened: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    """What was done to workers and Postgres, each with its moment."""
    slow: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """Answers that took long: when each came, and how long it took."""
    began: float = field(default_factory=time.monotonic)
    moved: list[float] = field(default_factory=list[float])
    """Seconds from each kill or stop of a holder until another worker had its leases."""
    lasted: float = 0.0
    """How long messages were sent; 0 where the run broke off before all had an outcome."""

    def note(self, what: str) -> None:
        """Keep that something happened."""
        self.happened.append((time.monotonic() - self.began, what))

    def answer(self, took_s: float) -> None:
        """Keep how long a message waited for its answer, which came now."""
        self.took.append(took_s)
        if took_s > LONG_S:
            self.slow.append((time.monotonic() - self.began, took_s))

    def story(self) -> list[str]:
        """What happened, in its order, each with the answers that took long between it and the next."""
        told: list[str] = []
        events = [(0.0, "messages are sent"), *sorted(self.happened)]
        for (at, what), (until, _) in zip(events, [*events[1:], (float("inf"), "")], strict=True):
            long = [took for came, took in self.slow if at <= came < until]
            then = f"; then {len(long)} answers took over {LONG_S:g} s, the longest {max(long):.1f} s" if long else ""
            told.append(f"{at:6.1f} s  {what}{then}")
        return told

    def lines(self) -> list[str]:
        """For people."""

        def spread(values: list[float]) -> str:
            if not values:
                return "none"
            ordered = sorted(values)
            at = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99)]
            return f"p50 {at[0]:.2f} s, p95 {at[1]:.2f} s, p99 {at[2]:.2f} s, longest {ordered[-1]:.2f} s"

        return [
            f"{self.answered + self.uncertain} messages in {self.lasted:.0f} s: {self.answered} answered once, "
            f"{self.uncertain} reported uncertain"
            if self.lasted
            else f"it broke off after {time.monotonic() - self.began:.0f} s: {len(self.took)} messages had an outcome",
            f"{self.kills} workers killed by SIGKILL",
            f"from a message to its answer: {spread(self.took)}",
            f"from the end of a holder to the next one: {spread(self.moved)}",
            f"findings: {len(self.wrong)}",
            *self.wrong[:20],
        ]


async def run(plan: Plan, yard: Yard, bridge: Bridge, server: TelegramServer, proxy: Proxy, report: Report) -> None:
    """Do all of a plan, then look at what came of it; `report` has at any time what there is so far."""
    dice, began = random.Random(plan.seed), time.monotonic()
    people = [server.user(f"P{number}") for number in range(plan.chats)]
    await let_in(bridge, people)
    for number in range(plan.workers):
        await yard.start(port=proxy.port if number == plan.workers - 1 else None)
    await yard.ready(plan.workers)
    tickets: dict[str, str] = {}
    async with anyio.create_task_group() as beside:
        beside.start_soon(approve_everything, bridge)
        async with anyio.create_task_group() as writing:
            writing.start_soon(disturb, plan, yard, proxy, dice, report)
            for number, person in enumerate(people):
                share = plan.messages // plan.chats + (number < plan.messages % plan.chats)
                writing.start_soon(talk, plan, bridge, person, share, report, random.Random(dice.random()))
            writing.start_soon(ask_for_jobs, plan, yard, bridge, tickets)
        beside.cancel_scope.cancel()
    report.lasted = time.monotonic() - began
    await at_rest(yard, report)
    report.wrong += [line for person in people for line in await chat_findings(bridge, person, report)]
    report.wrong += yard.ended()
    report.wrong += await job_findings(yard, bridge, tickets)
    report.wrong += await bridge.store.verify()


async def let_in(bridge: Bridge, people: list[User]) -> None:
    """Pair all chats."""
    async with anyio.create_task_group() as tasks:
        for person in people:
            tasks.start_soon(partial(bridge.pair_chat, OWNER, channel="family", chat=str(person.id)))


async def talk(plan: Plan, bridge: Bridge, person: User, count: int, report: Report, dice: random.Random) -> None:
    """One person: says something, waits for what becomes of the answer, and says the next thing some time later."""
    place = f"family/{person.id}"
    for number in range(1, count + 1):
        await anyio.sleep(dice.uniform(0, 2 * plan.lasts_s / count))
        began, shown = time.monotonic(), len(person.dm.bot_messages)
        await person.sends(person.dm, f"m{number} of {person.id}")
        with anyio.move_on_after(PATIENCE_S) as patience:
            while len(person.dm.bot_messages) <= shown:
                with suppress(BridgeError):
                    await person.dm.bot_says(shown + 1, LOOK_S)
                    break
                if await settled(bridge, place, number):
                    break  # it is reported, and may never be shown
        if patience.cancelled_caught:
            report.wrong.append(f"{place}: message {number} was not answered in {PATIENCE_S:g} s")
            return
        report.answer(time.monotonic() - began)


async def settled(bridge: Bridge, place: str, count: int) -> bool:
    """Whether so many answers are out, or reported."""
    return sum(isinstance(each, Delivered) for each in await entries_of(bridge, place)) >= count


async def entries_of(bridge: Bridge, place: str) -> list[Entry]:
    """A conversation's entries; none while Postgres is away."""
    try:
        return [logged.entry for logged in await bridge.store.log.load(place)]
    except StoreError:
        return []


async def ask_for_jobs(plan: Plan, yard: Yard, bridge: Bridge, tickets: dict[str, str]) -> None:
    """A program: has files deleted, one by one, each after somebody's approval."""
    for number in range(plan.jobs):
        name = f"file-{number}.txt"
        (yard.files / name).write_text("x")
        message = await insisting(lambda name=name, number=number: bridge.say(OWNER, f"local/{number}", f"job {name}"))
        tickets[f"turn:{message}"] = name
        await anyio.sleep(plan.lasts_s / plan.jobs)
    with anyio.move_on_after(4 * PATIENCE_S):  # what has no outcome by then is a finding
        for ticket in tickets:
            while (await insisting(lambda ticket=ticket: bridge.wait_for(OWNER, ticket, timeout_s=5))).state == "open":
                pass


async def insisting(act: Callable[[], Awaitable[T]]) -> T:
    """Do it, again while Postgres is away."""
    while True:
        try:
            return await act()
        except StoreError:
            await anyio.sleep(0.3)


async def approve_everything(bridge: Bridge) -> None:
    """A supervisor that never sleeps, until cancelled."""
    cursor = 0

    async def asked() -> EventPage:
        return await bridge.wait_for_events(OWNER, after=cursor, types=["approval.requested"], timeout_s=5)

    while True:
        page = await insisting(asked)
        cursor = page.cursor
        for event in page.events:
            approval, digest = str(event.body["approval"]), str(event.body["digest"])
            try:
                await insisting(lambda a=approval, d=digest: bridge.approve_call(OWNER, a, digest=d))
            except AlreadyDecided:
                continue


# -- what goes wrong -----------------------------------------------------------------------------------------


async def disturb(plan: Plan, yard: Yard, proxy: Proxy, dice: random.Random, report: Report) -> None:
    """Kills, stops, cuts and restarts, until all of the plan is done; then it only keeps the workers alive."""
    moments = list(range(plan.kills))
    restarts = set(dice.sample(moments[1:], min(plan.restarts, len(moments) - 1)))
    stop, cut = (dice.choice(moments) for _ in range(2))
    async with anyio.create_task_group() as beside:
        for moment in moments:
            await anyio.sleep(dice.uniform(*plan.every_s))
            if moment in restarts:
                how = dice.choice((signal.SIGINT, signal.SIGQUIT))
                await anyio.to_thread.run_sync(yard.postgres.restart, how)
                report.note(f"Postgres was restarted by {how.name}")
            if moment == stop and plan.stops_s:
                beside.start_soon(stand_still, plan, yard, report)
            if moment == cut and plan.cut_s:
                beside.start_soon(cut_off, plan, report, proxy)
            there = await yard.ready(2)  # there is one that can take over
            held = yard.owner("channel:family") if moment % 2 else None
            victim = held if held in there else dice.choice(there)
            assert victim is not None
            beside.start_soon(moving, yard, report, yard.holders(), victim)
            await yard.kill(victim)
            report.note(f"worker {victim.pid} was killed{', the poller' if victim is held else ''}")
            report.kills += 1
            await yard.start(port=proxy.port if victim.behind else None)


async def stand_still(plan: Plan, yard: Yard, report: Report) -> None:
    """Stop the poller's worker for a while."""
    child = yard.owner("channel:family") or (await yard.ready())[0]
    child.stopped = True
    before = yard.holders()
    child.process.send_signal(signal.SIGSTOP)
    report.note(f"worker {child.pid} was stopped")
    await moving(yard, report, before, child)
    await anyio.sleep(plan.stops_s)
    child.process.send_signal(signal.SIGCONT)
    report.note(f"worker {child.pid} goes on")
    child.stopped = False


async def cut_off(plan: Plan, report: Report, proxy: Proxy) -> None:
    """Cut the way of one worker for a while."""
    proxy.cut()
    report.note("the way of one worker to Postgres was cut")
    await anyio.sleep(plan.cut_s)
    proxy.mend()
    report.note("the way is mended")


async def moving(yard: Yard, report: Report, before: dict[str, tuple[str, int]], child: Child) -> None:
    """Measure how long the leases of a worker take to get to another one."""
    began = time.monotonic()
    mine = {name: fence for name, (holder, fence) in before.items() if holder.endswith(f":{child.pid}")}
    with anyio.move_on_after(20):
        while mine:
            now = await anyio.to_thread.run_sync(yard.holders)
            moved = [name for name in mine if name in now and now[name][1] > mine[name]]
            for name in moved:
                del mine[name]
                report.moved.append(time.monotonic() - began)
            await anyio.sleep(0.05)
    for name in mine:
        report.note(f"nobody took over {name}, which worker {child.pid} held")
        report.wrong.append(f"nobody took over {name} for 20 s after worker {child.pid} was harmed")


# -- what came of it -----------------------------------------------------------------------------------------


async def at_rest(yard: Yard, report: Report) -> None:
    """Wait until no job is left: none is orphaned."""
    jobs = 0
    for _ in range(150):
        if not (jobs := await anyio.to_thread.run_sync(yard.jobs)):
            return
        await anyio.sleep(0.2)
    report.wrong.append(f"{jobs} jobs are left that nobody works on")


async def chat_findings(bridge: Bridge, person: User, report: Report) -> list[str]:
    """What is wrong with one chat."""
    place = f"family/{person.id}"
    entries = await entries_of(bridge, place)
    heard = [each.text for each in entries if isinstance(each, Heard)]
    replies = [each.text for each in entries if isinstance(each, Replied)]
    outcomes = [each.status for each in entries if isinstance(each, Delivered)]
    report.answered += outcomes.count("sent")
    report.uncertain += outcomes.count("uncertain")
    found = [f"{place}: heard {text} {times} times" for text, times in Counter(heard).items() if times > 1]
    if replies != [f"echo: {text}" for text in heard]:
        found.append(f"{place}: {heard} were answered {replies}")
    if len(outcomes) != len(replies):
        found.append(f"{place}: {len(replies)} replies have {len(outcomes)} outcomes")
    shown = [message.text for message in person.dm.bot_messages]
    sure = [text for text, status in zip(replies, outcomes, strict=False) if status == "sent"]
    if [text for text in shown if text in sure] != sure or any(times > 1 for times in Counter(shown).values()):
        found.append(f"{place}: shown {shown}, sent for sure {sure}")
    return found


async def job_findings(yard: Yard, bridge: Bridge, tickets: dict[str, str]) -> list[str]:
    """What is wrong with the calls that were approved."""
    effects = Counter(yard.effects.read_text().split("\n"))
    found = [f"done twice: {effect}" for effect, times in effects.items() if effect and times > 1]
    for ticket, name in tickets.items():
        place = ticket.removeprefix("turn:").partition("#")[0]
        entries = await entries_of(bridge, place)
        calls = {each.id: each for entry in entries if isinstance(entry, Replied) for each in entry.calls}
        approved = {each.call for each in entries if isinstance(each, Judged) and each.verdict == "approved"}
        outcomes = {each.call: each.outcome for each in entries if isinstance(each, Finished)}
        begun = Counter(each.call for each in entries if isinstance(each, Started) and each.effect == "tool")
        found += [f"{place}: {call} was begun without a verdict" for call in begun if call not in approved]
        found += [f"{place}: {call} was begun {times} times" for call, times in begun.items() if times > 1]
        found += [f"{place}: {call} has no verdict" for call in calls if call not in approved]
        found += [f"{place}: {call} has no outcome" for call in calls if call not in outcomes]
        if not calls:
            found.append(f"{place}: never asked for {name}")
        for call, outcome in outcomes.items():
            path = str(json.loads(calls[call].arguments)["path"])
            done = sum(times for effect, times in effects.items() if effect.endswith(path))
            if outcome == "ok" and done != 1:
                found.append(f"{path} is said to be gone, and was deleted {done} times")
    return found
