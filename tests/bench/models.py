"""Models: durable turns through a chat completions server on loopback, beside bare calls of both SDKs to it, and beside
the turns of llm-expose, the project before this one.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from bridge_mcp.assembly import open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.service import Bridge
from tests.bench import origin_models
from tests.bench.bridges import SAID, on_the_loop, turn
from tests.bench.figures import Round, Rounds, median
from tests.bench.model_turns import TOOL_S, TOOLS, among_paired, tools_together
from tests.bench.origin import ORIGIN, missing_because
from tests.bench.origin_models import OriginFound
from tests.bench.peers import environment, fresh_process
from tests.bench.table import Table, amount, milli, ratio, verdict
from tests.bench.turns import timed

__all__ = ["run"]

AT_ONCE = (1, 16, 100)
ADDED_GOAL_S = 0.002
HISTORY = 1_000
HISTORY_GOAL_S = 0.005
TOOLS_GOAL_S = 0.130
PAIRED = (200, 10_000)
PAIRED_GOAL = 1.1
RATE_GOAL = 5.0

CONFIG = """\
[models.default]
model = "bench"
base_url = "{url}"
context_tokens = 1000000
[channels.local]
type = "local"
responder = "assistant"
history_limit = 10000
"""

Once = Callable[[str], Awaitable[object]]


@dataclass(slots=True)
class Found:
    """One way to get an answer: rounds by how many at once, CPU seconds of one, seconds behind a history."""

    rounds: dict[int, Rounds] = field(default_factory=dict[int, Rounds])
    cpu: list[float] = field(default_factory=list[float])
    long: list[float] = field(default_factory=list[float])


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done: rounds, calls of one round, and messages of the long history."""

    rounds: int
    each: int
    history: int


def run(quick: bool) -> list[Table]:
    size = Size(1, 5, 20) if quick else Size(5, 200, HISTORY)
    few = 3 if quick else 7
    ways = [fresh_process(measured, way, size) for way in ("bridge", "openai", "litellm")]
    tools = fresh_process(tools_together, few)
    paired = fresh_process(among_paired, PAIRED, few * 20)
    origin, missing = None, "left out of a quick run"
    if not quick:
        try:
            origin = of_origin(size, few)
        except (OSError, RuntimeError, subprocess.SubprocessError) as exc:
            missing = missing_because(exc)
    return [speed(ways), costs(ways, size), beside(ways[0], size, tools, paired, origin, missing)]


def of_origin(size: Size, few: int) -> OriginFound:
    """The same of the origin.

    Raises:
        OSError, RuntimeError, subprocess.SubprocessError: it cannot be had here.
    """
    with chat_server() as url:
        return origin_models.measured(
            url,
            SAID,
            PAIRED[1],
            at_once=AT_ONCE,
            rounds=size.rounds,
            each=size.each,
            history=size.history,
            few=few,
            tools=TOOLS,
            tool_s=TOOL_S,
        )


def speed(ways: list[Found]) -> Table:
    rows: list[tuple[str, ...]] = []
    for count in AT_ONCE:
        found = [way.rounds[count] for way in ways]
        rows.append((f"per second, {count} at once", *(f"{amount(each.rate)}/s" for each in found)))
        rows.append((f"p50, {count} at once", *(milli(each.p50) for each in found)))
        rows.append((f"p99, {count} at once", *(milli(each.p99) for each in found)))
    return Table(
        "models: answers from a chat completions server on loopback, in a process of its own",
        ("", "bridge, a durable turn", "openai SDK, bare", "litellm, bare"),
        tuple(rows),
        notes=("a turn: said, stored, asked (streamed), answered, stored, and its caller told by the ticket",),
    )


def costs(ways: list[Found], size: Size) -> Table:
    cpu = [median(way.cpu) for way in ways]
    long = [median(way.long) for way in ways]
    added = verdict(cpu[0] - cpu[1], ADDED_GOAL_S, f"+{ADDED_GOAL_S * 1e3:g} ms to the SDK")
    return Table(
        "models, costs: of one answer through the loopback server",
        ("", "bridge", "openai SDK", "litellm", "goal"),
        (
            ("CPU of one", *map(milli, cpu), added),
            (f"with a history of {size.history:,} messages", *map(milli, long), "-"),
        ),
    )


def beside(
    ours: Found, size: Size, tools: float, paired: tuple[float, float], origin: OriginFound | None, missing: str
) -> Table:
    """The same turns of the origin, whose goals are the issue's: it takes 150, 250 and 530 ms for the last ones."""
    rows: list[tuple[str, ...]] = []
    for count in AT_ONCE:
        rate = ours.rounds[count].rate
        theirs = origin.rounds[count].rate if origin else None
        goal = verdict(rate / theirs, RATE_GOAL, "5.00x", at_least=True) if theirs and count == AT_ONCE[-1] else "-"
        shown = (f"{amount(theirs)}/s", ratio(rate / theirs)) if theirs else ("-", "-")
        rows.append((f"turns per second, {count} chats at once", f"{amount(rate)}/s", *shown, goal))

    def row(what: str, seconds: float, theirs: Sequence[float] | None, goal: str) -> None:
        shown = (milli(median(theirs)), ratio(median(theirs) / seconds)) if theirs else ("-", "-")
        rows.append((what, milli(seconds), *shown, goal))

    long = median(ours.long)
    row(
        f"a turn, {size.history:,} messages before it",
        long,
        origin and origin.long,
        verdict(long, HISTORY_GOAL_S, milli(HISTORY_GOAL_S)),
    )
    row(
        f"a turn, {PAIRED[1]:,} chats let in",
        paired[1],
        origin and origin.paired,
        verdict(paired[1] / paired[0], PAIRED_GOAL, f"flat ({ratio(paired[1] / paired[0])})"),
    )
    row(f"a turn, {TOOLS} tools of 100 ms", tools, origin and origin.tools, verdict(tools, TOOLS_GOAL_S, "130 ms"))
    notes = ("the origin keeps nothing; all that the bridge says and hears is on disk, and it waits for that",)
    return Table(
        "models, beside the origin: the same turns on its path for OpenAI-compatible endpoints",
        ("", "bridge", "origin", "times", "goal"),
        tuple(rows),
        notes=notes if origin else (f"{ORIGIN}: {missing}",),
    )


def measured(way: str, size: Size) -> Found:
    """One way, in a process that has done nothing else."""
    return on_the_loop(partial(measure, way, size))


async def measure(way: str, size: Size) -> Found:
    found = Found({count: Rounds() for count in AT_ONCE})
    with chat_server() as url:
        async with WAYS[way](url, size.history) as (once, long, cpu):
            await many(once, "warm", 16, 32)
            gc.freeze()
            for number in range(size.rounds):
                for count in AT_ONCE:
                    found.rounds[count].rounds.append(await many(once, f"r{number}.{count}.", count, size.each))
                _, used = await timed(partial(cpu, f"cpu{number}.", size.each))
                found.cpu.append(used / size.each)
                for _ in range(5):
                    seconds, _ = await timed(long)
                    found.long.append(seconds)
    return found


async def many(once: Once, name: str, at_once: int, least: int) -> Round:
    """At least so many calls, so many at a time."""
    each: list[float] = []
    numbers = iter(range(max(least, at_once)))

    async def talk(worker: int) -> None:
        for _ in numbers:
            begun = time.perf_counter()
            await once(f"{name}{worker}")
            each.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for worker in range(at_once):
            tasks.start_soon(talk, worker)
    return Round(each, time.perf_counter() - begun)


@contextmanager
def chat_server() -> Generator[str]:
    """A server in a process of its own; its base URL."""
    command = [sys.executable, "-m", "tests.bench.chat_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment()) as child:
        try:
            assert child.stdout is not None
            yield json.loads(child.stdout.readline())["url"]
        finally:
            child.kill()


# -- the ways --------------------------------------------------------------------------------------------------

Ways = tuple[Once, Callable[[], Awaitable[None]], Callable[[str, int], Awaitable[None]]]


@asynccontextmanager
async def through_bridge(url: str, history: int) -> AsyncGenerator[Ways]:
    with tempfile.TemporaryDirectory(prefix="bridge-mcp-bench-") as folder:
        config = Path(folder) / "bridge.toml"
        config.write_text(CONFIG.format(url=url), "utf-8")
        env = environment() | {"BRIDGE_MCP_CONFIG": str(config), "BRIDGE_MCP_STATE_DIR": str(Path(folder) / "state")}
        loaded = anyio.Event()
        async with open_bridge(load_config(env=env), engine="now", on_ready=loaded.set) as assembly:
            await loaded.wait()
            bridge: Bridge = assembly.bridge
            for _ in range(history // 2):
                await turn(bridge, "local/long")

            async def repeated(name: str, count: int) -> None:
                for number in range(count):
                    await turn(bridge, f"local/{name}{number}")

            yield (lambda name: turn(bridge, f"local/{name}")), (lambda: turn(bridge, "local/long")), repeated


@asynccontextmanager
async def through_openai(url: str, history: int) -> AsyncGenerator[Ways]:
    import openai

    async with openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0) as client:

        async def ask(messages: list[Any]) -> None:
            await client.chat.completions.create(model="bench", messages=messages)

        yield bare(ask, history)


@asynccontextmanager
async def through_litellm(url: str, history: int) -> AsyncGenerator[Ways]:
    import os

    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    litellm.suppress_debug_info = True
    call: Callable[..., Awaitable[object]] = litellm.acompletion  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

    async def ask(messages: list[Any]) -> None:
        await call(model="openai/bench", messages=messages, api_key="none", base_url=url, num_retries=0)

    yield bare(ask, history)


def bare(ask: Callable[[list[Any]], Awaitable[None]], history: int) -> Ways:
    """A bare call as it is measured: alone, behind a history, and many times over."""
    said = {"role": "user", "content": SAID}
    past = [said, {"role": "assistant", "content": f"You said: {SAID}"}] * (history // 2)

    async def repeated(name: str, count: int) -> None:
        for _ in range(count):
            await ask([said])

    return (lambda name: ask([said])), (lambda: ask([*past, said])), repeated


WAYS: Mapping[str, Any] = {"bridge": through_bridge, "openai": through_openai, "litellm": through_litellm}
