"""Platforms side by side: a message in, the scripted model's reply out, each through the whole command; and memory."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from subprocess import DEVNULL

import anyio

from bridge_mcp.assembly import open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.service import OWNER
from tests.bench.figures import Round, Rounds, of_pairs
from tests.bench.peers import BRIDGE, bridge_folder, resident
from tests.bench.table import Table, amount, milli, verdict
from tests.channels.discord_platform import discord
from tests.channels.platforms import Human, Platform
from tests.channels.slack_platform import slack
from tests.channels.telegram_platform import telegram

__all__ = ["run"]

ON: Sequence[Callable[[], AbstractAsyncContextManager[Platform]]] = (telegram, slack, discord)
"""The first one is what the others are held to."""
GOAL = 1.3
APART_S = 0.05
"""Between two people, so that no platform's limits play a part."""
PATIENCE_S, ONCE_S = 60.0, 5.0
SAID = "when does the tide come back"
WARM = 5


@dataclass(frozen=True, slots=True)
class Bot:
    """A bridge on one platform, and who writes to it."""

    platform: Platform
    people: Sequence[Human]
    process: int


def run(quick: bool) -> list[Table]:
    return anyio.run(measured, *((2, 10) if quick else (5, 40)))


async def measured(rounds: int, people: int) -> list[Table]:
    async with AsyncExitStack() as stack:
        bots = [await stack.enter_async_context(bridge(each, rounds * people + WARM)) for each in ON]
        found = [Rounds() for _ in bots]
        for bot in bots:
            await one_by_one(bot, bot.people[:WARM])
        for number in range(rounds):
            first = WARM + number * people
            for bot, kept in zip(bots, found, strict=True):
                kept.rounds.append(await one_by_one(bot, bot.people[first : first + people]))
        names = [bot.platform.name for bot in bots]
        alone = [resident(bot.process) for bot in bots]
    together = await all_loaded()
    return [arrivals(names, found), memory(names, alone, together)]


def arrivals(names: Sequence[str], found: Sequence[Rounds]) -> Table:
    pairs = [of_pairs(each.medians, found[0].medians) for each in found]
    goals = ["-", *(verdict(each, GOAL, f"{GOAL}x") for each in pairs[1:])]
    return Table(
        "channels: a message in, the scripted model, its reply out; whole commands side by side; medians",
        ("", "p50", "p99", f"of {names[0]}'s", "goal"),
        tuple(
            (name, milli(each.p50), milli(each.p99), f"{pair:.2f}x", goal)
            for name, each, pair, goal in zip(names, found, pairs, goals, strict=True)
        ),
        notes=("from when somebody writes to when the reply stands in the chat, on servers on loopback",),
    )


def memory(names: Sequence[str], alone: Sequence[float], together: float) -> Table:
    return Table(
        "channels, memory: resident memory of the whole command after its first answers",
        ("", *names, "all of them"),
        (("with this platform", *(f"{amount(each)} MB" for each in alone), f"{amount(together)} MB"),),
        notes=("the library of a platform that no config names is never imported: tests/channels/test_loading.py",),
    )


async def one_by_one(bot: Bot, people: Sequence[Human]) -> Round:
    """Each says something and waits for the answer."""
    each: list[float] = []
    for person in people:
        begun = time.perf_counter()
        await person.says(person.dm, SAID)
        await person.dm.says(1)
        each.append(time.perf_counter() - begun)
        await anyio.sleep(APART_S)
    return Round(each, sum(each))


@asynccontextmanager
async def bridge(on: Callable[[], AbstractAsyncContextManager[Platform]], count: int) -> AsyncGenerator[Bot]:
    """The whole command on one platform, its people let in before."""
    async with on() as platform:
        people = [platform.human(f"P{number}") for number in range(count)]
        with bridge_folder("assistant", section(platform, "family")) as settings:
            settings |= platform.env
            await let_in(settings, {"family": people})
            async with serving(settings) as process:
                await answers(people[0])
                yield Bot(platform, people[1:], process)


async def all_loaded() -> float:
    """MB of a bridge on all platforms at once, after somebody on each was answered."""
    async with AsyncExitStack() as stack:
        platforms = [await stack.enter_async_context(each()) for each in ON]
        people = [platform.human("P") for platform in platforms]
        sections = "".join(section(each, each.name).replace("FAMILY", each.name.upper()) for each in platforms)
        with bridge_folder("assistant", sections) as settings:
            for each in platforms:
                settings |= {name.replace("FAMILY", each.name.upper()): value for name, value in each.env.items()}
            named = {platform.name: [person] for platform, person in zip(platforms, people, strict=True)}
            await let_in(settings, named)
            async with serving(settings) as process:
                for person in people:
                    await answers(person)
                return resident(process)


def section(platform: Platform, name: str) -> str:
    return f'\n[channels.{name}]\nresponder = "assistant"\n{platform.section()}'


async def answers(person: Human) -> None:
    """Say something until there is an answer: the bridge may only be coming up, and not every platform waits for it."""
    with anyio.fail_after(PATIENCE_S):
        while not person.dm.all():
            await person.says(person.dm, SAID)
            with anyio.move_on_after(ONCE_S):
                await person.dm.says(1)


async def let_in(settings: dict[str, str], people: dict[str, list[Human]]) -> None:
    async with open_bridge(load_config(env=settings), engine="never") as assembly:
        for channel, everybody in people.items():
            for person in everybody:
                await assembly.bridge.pair_chat(OWNER, channel=channel, chat=person.id)


@asynccontextmanager
async def serving(settings: dict[str, str]) -> AsyncGenerator[int]:
    """`bridge-mcp serve`, until the end; its process."""
    process = await anyio.open_process([*BRIDGE, "serve"], env=settings, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
    try:
        yield process.pid
    finally:
        os.kill(process.pid, signal.SIGTERM)
        await process.wait()
