"""Turns of the bridge that depend on more than a model's answer: slow tools at once, and many chats let in."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

import anyio

from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import ModelReply, ModelRequest, Pairing
from bridge_mcp.testing import FakeModel, FakeToolbox, calls, says
from tests.bench.bridges import SAID, on_the_loop
from tests.bench.figures import median
from tests.bench.turns import timed
from tests.integration.setup import World, world

__all__ = ["TOOLS", "TOOL_S", "among_paired", "tools_together"]

TOOLS = 5
TOOL_S = 0.1


def tools_together(rounds: int) -> float:
    """The median seconds of a turn whose model asks for several slow tools at once."""
    return on_the_loop(partial(measure_tools, rounds))


async def measure_tools(rounds: int) -> float:
    toolbox = FakeToolbox()

    @toolbox.tool("bench__slow", read_only=True)
    async def _slow(arguments: Mapping[str, JSON]) -> str:
        await anyio.sleep(TOOL_S)
        return "done"

    def reply(request: ModelRequest) -> ModelReply:
        if request.messages[-1].role == "tool":
            return says("Done.")
        return calls(*(("bench__slow", {"n": number}) for number in range(TOOLS)))

    found: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bridge-mcp-bench-") as folder:
        async with world(Path(folder), FakeModel(reply), toolbox) as it:
            await it.settled("warm")
            for _ in range(rounds):
                seconds, _ = await timed(partial(settle, it.settled))
                found.append(seconds)
    return median(found)


async def settle(settled: Callable[[str], Awaitable[str]]) -> None:
    await settled("go")


def among_paired(counts: tuple[int, int], rounds: int) -> tuple[float, float]:
    """The median seconds from a chat's message to its answer, with so many chats let in, and with so many."""
    return on_the_loop(partial(measure_paired, counts, rounds))


async def measure_paired(counts: tuple[int, int], rounds: int) -> tuple[float, float]:
    found: list[float] = []
    paired = 0
    with tempfile.TemporaryDirectory(prefix="bridge-mcp-bench-") as folder:
        async with world(Path(folder), FakeModel(lambda request: says("Done."))) as it:
            for count in counts:
                async with anyio.create_task_group() as tasks:
                    for number in range(paired, count):
                        tasks.start_soon(it.store.access.pair, Pairing("family", str(number)))
                paired = count
                each: list[float] = []
                for number in range(rounds):
                    # Each chat's first turn, of those that were let in last.
                    seconds, _ = await timed(partial(heard, it, str(count - 1 - number)))
                    each.append(seconds)
                found.append(median(each))
    return found[0], found[1]


async def heard(it: World, chat: str) -> None:
    """A message comes in, and its answer goes out."""
    before = len(it.family.sent)
    await it.family.receive(SAID, chat=chat)
    await it.family.wait_for_sent(before + 1)
