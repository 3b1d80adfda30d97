"""The real command, killed at random moments on every platform: nothing is lost, and nobody reads anything twice."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL

import anyio
import anyio.abc
import pytest

from bridge_mcp.service import OWNER
from tests.channels.platforms import Human, Platform
from tests.channels.stage import Stage, staged

MESSAGES, KILLS = 24, 2
PEOPLE = 20
"""Platforms have a pace for each chat."""
SETTLED_S = 60.0
FULL_MESSAGES, FULL_KILLS = 200, 8
"""With the option `--full`."""


async def served(it: Stage) -> anyio.abc.Process:
    """The bridge as a process of its own."""
    env = {**os.environ, "BRIDGE_MCP_STATE_DIR": str(it.folder / "state"), **it.platform.env}
    command = [sys.executable, "-m", "bridge_mcp", "serve", "--config", str(it.config), "--log-level", "error"]
    return await anyio.open_process(command, env=env, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)


async def kill(process: anyio.abc.Process) -> None:
    process.send_signal(signal.SIGKILL)
    await process.wait()


async def talk(people: Sequence[Human], numbers: range, dice: random.Random) -> None:
    """One message after the other, by different people, and not always at once."""
    for number in numbers:
        who = people[number % len(people)]
        await who.says(who.dm, f"number {number}.")
        await anyio.sleep(dice.random() * 0.05)


async def uncertain(it: Stage, people: Sequence[Human]) -> set[str]:
    """What may have gone out to any of them."""
    pages = [await it.bridge.read_messages(OWNER, f"family/{who.id}", limit=200) for who in people]
    return {each.text for page in pages for each in page.messages if each.status == "uncertain"}


def told(people: Sequence[Human]) -> Counter[str]:
    """What the bridge said to all of them."""
    return Counter(each.text for who in people for each in who.dm.all())


@pytest.mark.slow
@pytest.mark.shows("chats.platforms")
async def test_kills_lose_nothing_and_repeat_nothing(platform: Platform, tmp_path: Path, full: bool) -> None:
    """Where a platform cannot be asked, a message that a kill cut short is told as uncertain."""
    count, kills = (FULL_MESSAGES, FULL_KILLS) if full else (MESSAGES, KILLS)
    seed = random.randrange(1_000_000)
    dice, share = random.Random(seed), count // kills
    expected = {f"echo: number {number}." for number in range(count)}
    async with staged(tmp_path, platform, more='while_busy = "queue"') as it:
        people = [platform.human(f"P{number}") for number in range(PEOPLE)]
        async with it.up():
            await it.let_in(*people)
            for who in people:  # where a platform lists no chats, those are known that wrote before
                await who.says(who.dm, "hello")
            await platform.until(lambda: told(people).total() == PEOPLE)
        for turn in range(kills):
            process = await served(it)
            try:
                said = told(people).total()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(talk, people, range(turn * share, (turn + 1) * share), dice)
                    wanted = dice.randrange(1, share)
                    await platform.until(lambda at=said + wanted: told(people).total() >= at)
                    await kill(process)
            finally:
                if process.returncode is None:
                    await kill(process)
        async with it.up():
            with anyio.fail_after(SETTLED_S):
                while True:
                    missing = expected - told(people).keys()
                    if missing <= await uncertain(it, people):
                        break
                    await anyio.sleep(0.1)  # neither the platform nor the feed tells when both are there
            assert not (missing and (platform.can.settles_s or not platform.needs_pairing)), f"seed {seed}"
            heard = Counter([text for who in people for text in await it.heard(who.id) if text != "hello"])
    assert heard == Counter(f"number {number}." for number in range(count)), f"seed {seed}"
    twice = {text: times for text, times in told(people).items() if times > 1 and text != "echo: hello"}
    assert twice == {}, f"seed {seed}"
    kept = f"0 lost, 0 twice, {len(missing)} uncertain, seed {seed}"
    sys.stdout.write(f"{platform.name}: {count} messages, {kills} kills: {kept}\n")
