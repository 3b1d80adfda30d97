"""The real command, killed at random moments on every platform: nothing is lost, and nobody reads anything twice."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path
from subprocess import DEVNULL

import anyio
import anyio.abc
import pytest

from tests.channels.platforms import Human, Platform
from tests.channels.stage import Stage, staged

MESSAGES, KILLS = 24, 2
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


async def talks(ann: Human, numbers: range, dice: random.Random) -> None:
    """Ann writes one message after the other, not always at once."""
    for number in numbers:
        await ann.says(ann.dm, f"number {number}.")
        await anyio.sleep(dice.random() * 0.05)


@pytest.mark.slow
@pytest.mark.shows("chats.platforms")
async def test_kills_lose_nothing_and_repeat_nothing(platform: Platform, tmp_path: Path, full: bool) -> None:
    count, kills = (FULL_MESSAGES, FULL_KILLS) if full else (MESSAGES, KILLS)
    seed = random.randrange(1_000_000)
    dice, share = random.Random(seed), count // kills
    async with staged(tmp_path, platform, more='while_busy = "queue"') as it:
        ann = platform.human("Ann")
        async with it.up():
            await it.let_in(ann)
        for turn in range(kills):
            process = await served(it)
            try:
                said = len(ann.dm.all())
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(talks, ann, range(turn * share, (turn + 1) * share), dice)
                    wanted = dice.randrange(1, share)
                    await ann.dm.until(lambda now, at=said + wanted: len(now) >= at)
                    await kill(process)
            finally:
                if process.returncode is None:
                    await kill(process)
        async with it.up():
            expected = {f"echo: number {number}." for number in range(count)}
            told = await ann.dm.until(lambda now: settled({each.text for each in now}, expected, platform))
            heard = Counter(await it.heard(ann.id))
    assert heard == Counter(f"number {number}." for number in range(count)), f"seed {seed}"
    twice = {text: times for text, times in Counter(each.text for each in told).items() if times > 1}
    assert not twice, f"seed {seed}"


def settled(now: set[str], expected: set[str], platform: Platform) -> bool:
    """Whether every answer is there; where a platform cannot be asked, all but one for each kill."""
    return len(expected - now) <= (0 if platform.settles else FULL_KILLS)
