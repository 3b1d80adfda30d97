"""The gate: a nested tool's call through the bridge against the same call by a bare FastMCP client."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from bridge_mcp.core.policy import SCOPES, Principal
from bridge_mcp.service import Bridge
from tests.bench import turns
from tests.bench.bridges import on_the_loop, running
from tests.bench.figures import Round, Rounds, median, of_pairs
from tests.bench.peers import LOW_LEVEL, environment, fresh_process
from tests.bench.table import Table, amount, micro, ratio, verdict
from tests.bench.turns import bare_commits

__all__ = ["run"]

GOAL = 1.3
CALLERS = (1, 32)
WHO = Principal("bench", "client", frozenset(SCOPES))
SERVER = (*LOW_LEVEL, "1")
TEXT = "The tide is out."


def run(quick: bool) -> list[Table]:
    """In a process that has done nothing else."""
    rounds, calls = (2, 64) if quick else (10, 320)
    found = fresh_process(measured, rounds, calls)
    rows: list[tuple[str, ...]] = []
    for callers, (ours, bare, cpu, bare_cpu, commit) in found.items():
        times = of_pairs(ours.medians, bare.medians)
        shown = [
            each for one in (ours, bare) for each in (amount(one.p50 * 1e3), amount(one.p99 * 1e3), f"{one.rate:,.0f}")
        ]
        rows.append((f"{callers} at once", *shown, ratio(times), verdict(times, GOAL)))
        rows[-1] += (micro(cpu), micro(bare_cpu), micro(commit))
    return [
        Table(
            f"gate: call_tool of a free tool, {rounds} rounds of {calls} calls in turn, against the client alone",
            (
                "callers",
                "p50 ms",
                "p99 ms",
                "calls/s",
                "bare p50",
                "p99 ms",
                "calls/s",
                "ratio",
                "goal",
                "CPU",
                "bare",
                "1 commit",
            ),
            tuple(rows),
            notes=(
                "a read-only tool; Bridge.call_tool, answered once it is on disk (one commit), beside call_tool of",
                "FastMCP's client, both in this process, each with a stdio server of its own; CPU is of this process",
                "1 commit: what nobody can save, a transaction of bare sqlite3, synchronous=FULL, on the same disk",
            ),
        )
    ]


Found = dict[int, tuple[Rounds, Rounds, float, float, float]]


def measured(rounds: int, calls: int) -> Found:
    """For each number of callers: the rounds of both, the CPU seconds of a call by each, the seconds of a commit."""
    return on_the_loop(partial(measure, rounds, calls))


async def measure(rounds: int, calls: int) -> Found:
    transport = StdioTransport(SERVER[0], list(SERVER[1:]), env=environment(), keep_alive=False)
    with TemporaryDirectory(prefix="bridge-mcp-bench-") as folder:
        commits = bare_commits(Path(folder) / "bare.db")
        async with running(nested()) as bridge, Client(transport) as client:
            return await compared(bridge, client, commits, rounds, calls)


async def compared(
    bridge: Bridge, client: Client[StdioTransport], commits: Callable[[], None], rounds: int, calls: int
) -> Found:
    """Rounds of both in turn after one that is not measured."""
    found: Found = {}
    await listed(bridge)
    through, alone = partial(by_bridge, bridge), partial(by_client, client)
    for callers in CALLERS:
        ours, theirs, used, bare = Rounds(), Rounds(), [0.0, 0.0], list[float]()
        for number in range(rounds + 1):
            for which, (call, into) in enumerate(((through, ours), (alone, theirs))):
                before = time.process_time()
                each = await timed(call, calls, callers)
                if number:
                    into.rounds.append(each)
                    used[which] += time.process_time() - before
            seconds, _ = await turns.timed(lambda: turns.repeated(commits, 10))
            bare.append(seconds / 10 / turns.COMMITS)
        found[callers] = (ours, theirs, used[0] / calls / rounds, used[1] / calls / rounds, median(bare))
    return found


def nested() -> str:
    """The section of the nested server."""
    return f"""
[tool_servers.bare]
command = {json.dumps(SERVER[0])}
args = {json.dumps(SERVER[1:])}
env = {{ PYTHONPATH = {json.dumps(environment()["PYTHONPATH"])} }}
"""


async def listed(bridge: Bridge) -> None:
    """Wait until the engine has told of the tool."""
    with closing(bridge.store.agenda.watch()) as changes, anyio.fail_after(30):
        while not (await bridge.list_tools(WHO)).tools:
            await changes.wait(1)


async def by_bridge(bridge: Bridge) -> None:
    ticket = await bridge.call_tool(WHO, "bare__echo", {"text": TEXT}, wait_s=30)
    if ticket.outcome != "ok":
        raise RuntimeError(f"the call did not run: {ticket}")


async def by_client(client: Client[StdioTransport]) -> None:
    await client.call_tool("echo", {"text": TEXT})


async def timed(call: Callable[[], Awaitable[None]], calls: int, callers: int) -> Round:
    each: list[float] = []
    left = iter(range(calls))

    async def caller() -> None:
        for _ in left:
            since = time.perf_counter()
            await call()
            each.append(time.perf_counter() - since)

    begun = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for _ in range(callers):
            tasks.start_soon(caller)
    return Round(each, time.perf_counter() - begun)
