"""`bridge-mcp gate` in front of a server against that server alone: the same bytes on the same kind of pipe."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.clients import Pipes
from tests.bench.figures import Rounds, of_pairs
from tests.bench.peers import LOW_LEVEL, environment
from tests.bench.speech import ERAS, Call
from tests.bench.table import Table, amount, ratio, verdict

__all__ = ["run"]

GOALS = {1: 2.0, 32: 1.3}
"""By callers at once: how many times as long a free call may take."""
SERVER = (*LOW_LEVEL, "1")
GATE = (str(Path(sys.executable).with_name("bridge-mcp")), "gate", "--", *SERVER)
ECHO = Call(tool="echo", arguments={"text": "The tide is out."})


def run(quick: bool) -> list[Table]:
    """Rounds of both in turn, after one that is not measured."""
    rounds, calls = (2, 64) if quick else (8, 160)
    rows: list[tuple[str, ...]] = []
    with TemporaryDirectory(prefix="bridge-mcp-bench-") as folder:
        settings = environment() | {
            "HOME": folder,
            "XDG_CONFIG_HOME": folder,
            "BRIDGE_MCP_STATE_DIR": f"{folder}/state",
        }
        for era in ERAS:
            through, alone = Pipes(GATE, settings, era), Pipes(SERVER, settings, era)
            try:
                for callers, goal in GOALS.items():
                    ours, theirs = measured(through, alone, rounds, calls, callers)
                    times = of_pairs(ours.medians, theirs.medians)
                    shown = [
                        each
                        for one in (ours, theirs)
                        for each in (amount(one.p50 * 1e3), amount(one.p99 * 1e3), f"{one.rate:,.0f}")
                    ]
                    rows.append((era, f"{callers} at once", *shown, ratio(times), verdict(times, goal)))
            finally:
                through.close()
                alone.close()
    columns = ("era", "callers", "p50 ms", "p99 ms", "calls/s", "alone p50", "p99 ms", "calls/s", "ratio", "goal")
    title = (
        f"bridge-mcp gate: a free call through it, {rounds} rounds of {calls} calls in turn, against its server alone"
    )
    notes = (
        "a read-only tool; through the gate it is answered once it is on disk that it began, written while the server",
        "works on it; one commit for each call in a row, shared by calls at once (test_gate_costs counts them)",
    )
    return [Table(title, columns, tuple(rows), notes=notes)]


def measured(through: Pipes, alone: Pipes, rounds: int, calls: int, callers: int) -> tuple[Rounds, Rounds]:
    """The rounds of both."""
    ours, theirs = Rounds(), Rounds()
    for number in range(rounds + 1):
        for client, into in ((through, ours), (alone, theirs)):
            found = client.measure(ECHO, calls, callers)
            if number:
                into.rounds.append(found)
    return ours, theirs
