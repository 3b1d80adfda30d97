"""A hook of an agent: from starting the command until the call stands in the log, beside a bare start of Python."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.bench.figures import median, of_pairs
from tests.bench.peers import bridge_folder
from tests.bench.table import Table, milli, ratio, verdict
from tests.cases.hook_inputs import hook_input

__all__ = ["run"]

GOAL = 3.0
COMMAND = str(Path(sys.executable).with_name("bridge-mcp"))
LOOK_S = 0.0003
LONGEST_S = 30.0


def run(quick: bool) -> list[Table]:
    """Start Python and the hook in turn, as often as it takes, while an engine is up."""
    rounds = 2 if quick else 25
    bare: list[float] = []
    filed: list[float] = []
    with ExitStack() as stack:
        settings = stack.enter_context(bridge_folder())
        engine = subprocess.Popen([COMMAND, "serve"], env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        stack.callback(engine.wait)
        stack.callback(engine.terminate)
        assert engine.stdout is not None
        engine.stdout.readline()
        store = stack.enter_context(opened(settings))
        for number in range(rounds + 1):
            one, other = started(settings), asked(settings, store, f"session {number}")
            if number:  # once before it counts
                bare.append(one)
                filed.append(other)
    return [table(bare, filed)]


def opened(settings: Mapping[str, str]) -> sqlite3.Connection:
    """The store, for looking at."""
    path = Path(settings["BRIDGE_MCP_STATE_DIR"]) / "bridge.db"
    deadline = time.monotonic() + LONGEST_S
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return sqlite3.connect(path, isolation_level=None)


def started(settings: Mapping[str, str]) -> float:
    """Seconds of a Python that does nothing."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], env=dict(settings), check=True)
    return time.perf_counter() - begun


def asked(settings: Mapping[str, str], store: sqlite3.Connection, session: str) -> float:
    """Seconds from starting the hook until its call is committed."""
    newest = "SELECT max(id) FROM conversations"
    before = store.execute(newest).fetchone()
    told = hook_input("claude-code", "asks", session_id=session).encode()
    begun = time.perf_counter()
    with subprocess.Popen(
        [COMMAND, "hook", "claude-code", "--wait-s", "0"],
        env=dict(settings),
        cwd=os.sep,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(told)
        process.stdin.close()
        while store.execute(newest).fetchone() == before and time.perf_counter() - begun < LONGEST_S:
            time.sleep(LOOK_S)
        return time.perf_counter() - begun


def table(bare: list[float], filed: list[float]) -> Table:
    """The figures, with the goal."""
    times = of_pairs(filed, bare)
    return Table(
        f"hook: from starting `bridge-mcp hook` until its call is on disk, {len(bare)} starts in turn, medians",
        ("", "python -c pass", "hook", "hook/python", "goal"),
        (("started to filed", milli(median(bare)), milli(median(filed)), ratio(times), verdict(times, GOAL)),),
        notes=("the engine is up; what waits for people is loaded after that, while they think",),
    )
