"""Many tools on offer: a turn with a hundred nested tools against the same turn with none."""

from __future__ import annotations

import gc
import json
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import anyio

from bridge_mcp.assembly import open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.service import OWNER, Bridge
from tests.bench.bridges import on_the_loop, turn
from tests.bench.figures import Rounds, of_pairs
from tests.bench.models import chat_server, many
from tests.bench.peers import LOW_LEVEL, environment, fresh_process
from tests.bench.table import Table, milli, ratio, verdict

__all__ = ["run"]

TOOLS = 100
GOAL = 1.1

MODELS = {
    "scripted": '[models.default]\nmodel = "scripted"\n',
    "chat completions": '[models.default]\nmodel = "bench"\nbase_url = "{url}"\ncontext_tokens = 1000000\n',
}
CHANNEL = '[channels.local]\ntype = "local"\nresponder = "assistant"\n'

Found = dict[str, tuple[Rounds, Rounds, float, float]]


def run(quick: bool) -> list[Table]:
    """In a process that has done nothing else."""
    rounds, turns = (2, 20) if quick else (10, 100)
    rows: list[tuple[str, ...]] = []
    for way, (loaded, bare, cpu, bare_cpu) in fresh_process(measured, rounds, turns).items():
        times = of_pairs(loaded.medians, bare.medians)
        shown = (milli(loaded.p50), milli(bare.p50), ratio(times), verdict(times, GOAL), milli(cpu), milli(bare_cpu))
        rows.append((way, *shown))
    return [
        Table(
            f"tools on offer: a durable turn with {TOOLS} nested tools, {rounds} rounds of {turns} turns in turn",
            ("model", f"p50, {TOOLS} tools", "p50, none", "ratio", "goal", "CPU", "CPU, none"),
            tuple(rows),
            notes=("two bridges in one process, one of them with a nested server; CPU is of this process",),
        )
    ]


def measured(rounds: int, turns: int) -> Found:
    return on_the_loop(partial(measure, rounds, turns))


async def measure(rounds: int, turns: int) -> Found:
    found: Found = {}
    for way, section in MODELS.items():
        async with AsyncExitStack() as opened:
            url = opened.enter_context(chat_server())
            model = section.format(url=url)
            loaded = await opened.enter_async_context(running(model + nested()))
            bare = await opened.enter_async_context(running(model))
            found[way] = await compared(loaded, bare, rounds, turns)
    return found


@asynccontextmanager
async def running(config: str) -> AsyncGenerator[Bridge]:
    """A bridge whose tools are all there."""
    with tempfile.TemporaryDirectory(prefix="bridge-mcp-bench-") as folder:
        path = Path(folder) / "bridge.toml"
        path.write_text(CHANNEL + config, "utf-8")
        env = environment() | {"BRIDGE_MCP_CONFIG": str(path), "BRIDGE_MCP_STATE_DIR": str(Path(folder) / "state")}
        loaded = anyio.Event()
        async with open_bridge(load_config(env=env), engine="now", on_ready=loaded.set) as assembly:
            await loaded.wait()
            yield assembly.bridge


def nested() -> str:
    """The section of the nested server."""
    return f"""
[tool_servers.bare]
command = {json.dumps(LOW_LEVEL[0])}
args = {json.dumps([*LOW_LEVEL[1:], str(TOOLS)])}
env = {{ PYTHONPATH = {json.dumps(environment()["PYTHONPATH"])} }}
"""


async def compared(loaded: Bridge, bare: Bridge, rounds: int, turns: int) -> tuple[Rounds, Rounds, float, float]:
    """Rounds of both in turn after one that is not measured, and the CPU seconds of a turn."""
    of = (Rounds(), Rounds())
    used = [0.0, 0.0]
    for number in range(rounds + 1):
        for which, bridge in enumerate((loaded, bare)):
            before = time.process_time()
            each = await many(lambda name, at=bridge: turn(at, f"local/{name}"), f"r{number}.", 1, turns)
            if number:
                of[which].rounds.append(each)
                used[which] += time.process_time() - before
        if not number:
            gc.freeze()
    tools = [spec for spec in (await loaded.list_tools(OWNER)).tools if spec.server == "bare"]
    if len(tools) != TOOLS:
        raise RuntimeError(f"{len(tools)} tools were on offer")
    return (*of, used[0] / rounds / turns, used[1] / rounds / turns)
