"""Round trips: a read and a committed write of the bridge against the echo of a bare low-level server."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TypeAlias

from bridge_mcp.core.policy import SCOPES
from bridge_mcp.server.tools.registry import TOOLS
from tests.bench.clients import Client, Pipes, Posts
from tests.bench.figures import Rounds, median, of_pairs
from tests.bench.peers import BRIDGE, LOW_LEVEL, TOKEN, bridge_folder, cpu_time, environment, served_http, until_engine
from tests.bench.speech import ERAS, Call, Era
from tests.bench.table import Table, micro, ratio, verdict

__all__ = ["run"]

TEXT = "The tide is out, and the boats lie on their sides until noon."
ECHO = Call(tool="echo", arguments={"text": TEXT})
READ = Call(tool="list_channels")
WRITE = Call(tool="send_message", arguments={"conversation": "local/main", "text": TEXT})

GOALS: Mapping[str, float] = {"list_channels": 1.0, "send_message": 2.0}
SPREAD = 2.0
"""The goal for p99 as a multiple of p50."""

CALLERS = (1, 32)

YEARS: Mapping[Era, str] = {"handshake": "2025", "2026-07-28": "2026"}
COLUMNS = ("era, tool", "p50 us", "p99 us", "calls/s", "echo p50", "p99 us", "calls/s", "ratio", "goal",
           "p99/p50", "goal")  # fmt: skip
NOTES = (
    "2025: the handshake era (2025-11-25); 2026: a request carries all there is to know (2026-07-28)",
    "raw clients: lines over pipes, kept connections over HTTP; the published Python client's own cost would hide",
    "half of every difference. 32 callers share one pipe, or hold a connection each. send_message is committed.",
    "echo: the low-level server of the mcp SDK over the SDK's own transports; ratio: of the p50, in pairs",
)


@dataclass(frozen=True, slots=True)
class Peer:
    """A server and the client that measures it."""

    client: Client
    process: int


Rows: TypeAlias = tuple[tuple[str, ...], ...]


def run(quick: bool) -> list[Table]:
    """Both tools over every transport in every era, by one caller and by 32."""
    rounds, calls = (2, 64) if quick else (10, 320)
    tools = len(TOOLS)
    found: dict[tuple[str, int, Era], Measured] = {}
    for transport, pairs in (("stdio", over_stdio), ("http", over_http)):
        with closing(pairs(tools)) as each:
            for era, ours, theirs in each:
                for callers in CALLERS:
                    found[transport, callers, era] = measured(ours, theirs, rounds, calls, callers)
    title = f"{rounds} rounds of {calls} calls each in turn"
    return [
        *(
            Table(
                f"roundtrip over {transport}, {callers} caller{'s' if callers > 1 else ''}: {title}",
                COLUMNS,
                sum((trips(era, found[transport, callers, era]) for era in ERAS), ()),
            )
            for transport in ("stdio", "http")
            for callers in CALLERS
        ),
        Table(
            "roundtrip, CPU: what a call costs the server, which other load on the machine touches least",
            ("transport, era, callers", "list_channels", "send_message", "echo", "ratio", "goal", "ratio", "goal"),
            tuple(
                costs(f"{transport} {YEARS[era]} {callers}", each) for (transport, callers, era), each in found.items()
            ),
            notes=NOTES,
        ),
    ]


def over_stdio(tools: int) -> Generator[tuple[Era, Peer, Peer]]:
    """A bridge and an echo server as children, in each era: a pipe has one from its first message on."""
    for era in ERAS:
        with ExitStack() as stack:
            settings = stack.enter_context(bridge_folder())
            ours = Pipes((*BRIDGE, "--scopes", ",".join(SCOPES)), settings, era)
            stack.callback(ours.close)
            theirs = Pipes((*LOW_LEVEL, str(tools)), environment(), era)
            stack.callback(theirs.close)
            ours.ask(Call("tools/list"))
            until_engine(ours)
            yield era, Peer(ours, ours.process.pid), Peer(theirs, theirs.process.pid)


def over_http(tools: int) -> Generator[tuple[Era, Peer, Peer]]:
    """A bridge and an echo server on loopback, with clients of each era; the bridge wants a token."""
    with ExitStack() as stack:
        settings = stack.enter_context(bridge_folder())
        port, child = stack.enter_context(served_http((*BRIDGE, "serve", "--http", "127.0.0.1:{port}"), settings))
        bare, bare_child = stack.enter_context(served_http((*LOW_LEVEL, str(tools), "{port}"), environment()))
        for era in ERAS:
            ours, theirs = Posts(port, era, TOKEN), Posts(bare, era)
            stack.callback(ours.close)
            stack.callback(theirs.close)
            until_engine(ours)
            yield era, Peer(ours, child), Peer(theirs, bare_child)


@dataclass(frozen=True, slots=True)
class Measured:
    """Of each tool, its rounds, and the server's CPU seconds per call in each of them."""

    rounds: Mapping[str, Rounds]
    cpu: Mapping[str, list[float]]


def measured(ours: Peer, theirs: Peer, rounds: int, calls: int, callers: int) -> Measured:
    """Every tool in turn, round by round. The first round warms up."""
    found = {name: Rounds() for name in ("echo", *GOALS)}
    cpu: dict[str, list[float]] = {name: [] for name in found}
    for number in range(rounds + 1):
        for peer, call in ((theirs, ECHO), (ours, READ), (ours, WRITE)):
            before = cpu_time(peer.process)
            each = peer.client.measure(call, calls, callers)
            if number:
                found[call.tool].rounds.append(each)
                cpu[call.tool].append((cpu_time(peer.process) - before) / calls)
    return Measured(found, cpu)


def trips(era: Era, found: Measured) -> Rows:
    """The rows of one transport, era and number of callers: how long a caller waits."""
    echo = found.rounds["echo"]
    rows: list[tuple[str, ...]] = []
    for tool, goal in GOALS.items():
        own = found.rounds[tool]
        times, spread = of_pairs(own.medians, echo.medians), own.p99 / own.p50
        figures = (own.p50 * 1e6, own.p99 * 1e6, own.rate, echo.p50 * 1e6, echo.p99 * 1e6, echo.rate)
        shown = [f"{figure:,.0f}" for figure in figures]
        goals = (verdict(times, goal, f"{goal:.1f}"), ratio(spread), verdict(spread, SPREAD, f"{SPREAD:.1f}"))
        rows.append((f"{YEARS[era]} {tool}", *shown, ratio(times), *goals))
    return tuple(rows)


def costs(what: str, found: Measured) -> tuple[str, ...]:
    """The row of one transport, era and number of callers: what a call costs the server."""
    shown = [micro(median(found.cpu[tool])) for tool in (*GOALS, "echo")]
    goals: list[str] = []
    for tool, goal in GOALS.items():
        times = of_pairs(found.cpu[tool], found.cpu["echo"])
        goals += [ratio(times), verdict(times, goal, f"{goal:.1f}")]
    return (what, *shown, *goals)
