"""Start-up: from spawning a server over stdio to its first answers, and the memory it then holds."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bridge_mcp.core.policy import SCOPES
from bridge_mcp.server.tools.registry import TOOLS
from tests.bench.clients import Pipes
from tests.bench.figures import median, of_pairs
from tests.bench.peers import BRIDGE, FASTMCP, LOW_LEVEL, bridge_folder, cpu_time, environment, resident, until_engine
from tests.bench.speech import Call
from tests.bench.table import Table, amount, milli, ratio, verdict

__all__ = ["run"]

GOAL = 1.25
MODEL_GOAL = 1.05
MODEL = "anthropic/claude-sonnet-5"
SETTLE_S = 1.0
SETTLED = 3
"""How many starts of each are also looked at once all is loaded."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds to each answer, CPU seconds to the second one, MB after it, and MB once all is loaded."""

    opened: float
    listed: float
    cpu: float
    memory: float
    settled: float


def run(quick: bool) -> list[Table]:
    """Start each server in turn, as often as it takes."""
    rounds = 1 if quick else 15
    tools = len(TOOLS)
    starts: dict[str, list[Start]] = {name: [] for name in ("bridge", "low", "fast", "model")}
    # Once before it counts, where figures count: bytecode is written then, and files are in the system's cache.
    for number in range(1 if quick else 0, rounds + 1):
        for name, found in starts.items():
            start = started(name, tools, settle=0 < number <= SETTLED)
            if number:
                found.append(start)
    return [table(starts, tools), with_model(starts)]


def with_model(starts: Mapping[str, Sequence[Start]]) -> Table:
    """The bridge once more, with a model configured that litellm has to be loaded for."""

    def row(what: str, figure: str) -> tuple[str, ...]:
        given, scripted = ([float(getattr(start, figure)) for start in starts[name]] for name in ("model", "bridge"))
        times = of_pairs(given, scripted)
        return (what, milli(median(given)), milli(median(scripted)), ratio(times), verdict(times, MODEL_GOAL))

    return Table(
        f"startup, a model of litellm's configured: {MODEL}, {len(starts['model'])} starts in turn, medians",
        ("", "with it", "scripted", "with/scripted", "goal"),
        (row("spawn to initialize answered", "opened"), row("spawn to tools/list answered", "listed")),
        notes=("litellm is loaded by a process of its own, which the engine starts after tools/list",),
    )


def bridge(stack: ExitStack, model: str = "scripted") -> Pipes:
    settings = stack.enter_context(bridge_folder(model=model))
    return opened(stack, (*BRIDGE, "--scopes", ",".join(SCOPES)), settings)


def opened(stack: ExitStack, command: Sequence[str], settings: Mapping[str, str]) -> Pipes:
    client = Pipes(command, settings, "handshake")
    stack.callback(client.close)
    return client


def started(name: str, tools: int, *, settle: bool) -> Start:
    """Start a server, look at it, end it."""
    with ExitStack() as stack:
        if name in ("bridge", "model"):
            client = bridge(stack, MODEL if name == "model" else "scripted")
        else:
            client = opened(stack, (*(LOW_LEVEL if name == "low" else FASTMCP), str(tools)), environment())
        client.ask(Call("tools/list"))
        listed = time.perf_counter()
        cpu = cpu_time(client.process.pid)
        memory = resident(client.process.pid)
        settled = 0.0
        if settle and name != "model":
            if name == "bridge":
                until_engine(client)
            time.sleep(SETTLE_S)
            settled = resident(client.process.pid)
        return Start(client.opened - client.started, listed - client.started, cpu, memory=memory, settled=settled)


def table(starts: Mapping[str, Sequence[Start]], tools: int) -> Table:
    ours, low, fast = (starts[name] for name in ("bridge", "low", "fast"))

    def row(what: str, figure: str, unit: str = "") -> tuple[str, ...]:
        values = [[float(getattr(start, figure)) for start in found] for found in (ours, low, fast)]
        values = [[value for value in found if value] for found in values]
        shown = [f"{amount(median(found))} MB" if unit else milli(median(found)) for found in values]
        times, other = of_pairs(values[0], values[1]), of_pairs(values[2], values[1])
        return (what, *shown, ratio(other), ratio(times), verdict(times, GOAL))

    return Table(
        f"startup: spawn over stdio, handshake era, {tools} tools each, {len(ours)} starts in turn, medians",
        ("", "bridge-mcp", "low-level", "FastMCP", "FastMCP/low", "bridge/low", "goal"),
        (
            row("spawn to initialize answered", "opened"),
            row("spawn to tools/list answered", "listed"),
            row("CPU time until then", "cpu"),
            row("resident memory after it", "memory", "MB"),
            row("resident memory, all loaded", "settled", "MB"),
        ),
        notes=("the bridge starts in an empty state folder, makes its store, and becomes the engine after tools/list",),
    )
