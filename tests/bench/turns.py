"""Turns: a message in, the scripted model, the reply out. What one costs, and how many there can be."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from bridge_mcp.service import OWNER, Bridge
from tests.bench.bridges import SAID, WAIT_S, on_the_loop, running, turn
from tests.bench.figures import median
from tests.bench.peers import fresh_process
from tests.bench.table import Table, amount, milli, verdict

__all__ = ["run"]

CPU_GOAL_S = 0.002
RATE_GOAL = 600.0
AT_ONCE = 100

COMMITS = 3
"""Of a turn: the message, the intent to call the model, the reply."""


@dataclass(frozen=True, slots=True)
class Turns:
    """Medians: CPU seconds of a turn, by itself and with a ticket waited for; turns per second; the bare commits."""

    cpu: float
    waited: float
    alone: float
    together: float
    bare_cpu: float
    bare_rate: float


def run(quick: bool) -> list[Table]:
    """In a process that has done nothing else."""
    found = fresh_process(measured, *((3, 60, 3) if quick else (7, 200, 20)))
    floor, cost = f"{amount(found.bare_rate)}/s", milli(found.bare_cpu)
    enough = verdict(found.together, RATE_GOAL, amount(RATE_GOAL), at_least=True)
    return [
        Table(
            "turns: message in, scripted model, reply out; engine in process, SQLite on disk; medians",
            ("", "bridge", f"{COMMITS} bare commits", "goal"),
            (
                ("CPU of a turn, fresh conversations", milli(found.cpu), cost, verdict(found.cpu, CPU_GOAL_S, "2 ms")),
                ("the same, waited for by its ticket", milli(found.waited), cost, "-"),
                ("turns/s, 1 conversation", f"{amount(found.alone)}/s", floor, "-"),
                (f"turns/s, {AT_ONCE} conversations at once", f"{amount(found.together)}/s", floor, enough),
            ),
            notes=(
                f"the reference is what nobody can save: {COMMITS} transactions of bare sqlite3, synchronous=FULL",
                "turns per second are of callers who wait for each turn by its ticket",
            ),
        )
    ]


def measured(rounds: int, turns: int, each: int) -> Turns:
    """So many rounds of so many turns one after another, and of `each` turns in every one of many conversations."""
    return on_the_loop(partial(measure, rounds, turns, each))


async def measure(rounds: int, turns: int, each: int) -> Turns:
    cpu, waited, alone, together, bare_cpu, bare = ([0.0] * 0 for _ in range(6))
    with tempfile.TemporaryDirectory(prefix="bridge-mcp-bench-") as folder:
        commits = bare_commits(Path(folder) / "bare.db")
        async with running() as bridge:
            await many(bridge, "warm", 10, 5)
            for number in range(rounds):
                _, used = await timed(lambda n=number: followed(bridge, f"fresh{n}", turns))
                cpu.append(used / turns)
                _, used = await timed(lambda n=number: many(bridge, f"waited{n}", turns, 1, at_once=1))
                waited.append(used / turns)
                seconds, _ = await timed(lambda n=number: many(bridge, f"alone{n}", 1, turns))
                alone.append(turns / seconds)
                seconds, _ = await timed(lambda n=number: many(bridge, f"one{n}", AT_ONCE, each))
                together.append(AT_ONCE * each / seconds)
                seconds, used = await timed(lambda: repeated(commits, turns))
                bare_cpu.append(used / turns)
                bare.append(turns / seconds)
    return Turns(
        median(cpu),
        median(waited),
        median(alone),
        together=median(together),
        bare_cpu=median(bare_cpu),
        bare_rate=median(bare),
    )


async def timed(work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """Seconds, and CPU seconds of all threads."""
    begun, used = time.perf_counter(), time.process_time()
    await work()
    return time.perf_counter() - begun, time.process_time() - used


async def followed(bridge: Bridge, name: str, conversations: int) -> None:
    """A turn in each of so many conversations, one after another, seen in the log that it is over.

    Raises:
        RuntimeError: a turn came to another end than a reply.
    """
    names = [f"local/{name}.{number}" for number in range(conversations)]
    with closing(bridge.store.agenda.watch()) as changes:
        for conversation in names:
            await bridge.say(OWNER, conversation, SAID)
            # Commits are told together where they come close: the log's own length says how far the turn is.
            while not (known := await bridge.store.history.conversation(conversation)) or known.head < COMMITS:
                changed = await changes.wait(WAIT_S)
                if changed is not None and not changed:  # None: anything may have changed
                    raise RuntimeError(f"nothing more was written in {conversation}")
    last = await bridge.read_messages(OWNER, names[-1])
    if [message.direction for message in last.messages] != ["in", "out"]:
        raise RuntimeError(f"no reply in {names[-1]}: {last}")


async def many(bridge: Bridge, name: str, conversations: int, turns: int, at_once: int = AT_ONCE) -> None:
    """So many turns in each of so many conversations, some conversations at a time."""
    numbers = iter(range(conversations))

    async def talk() -> None:
        for number in numbers:
            for _ in range(turns):
                await turn(bridge, f"local/{name}.{number}")

    async with anyio.create_task_group() as tasks:
        for _ in range(min(at_once, conversations)):
            tasks.start_soon(talk)


def bare_commits(path: Path) -> Callable[[], None]:
    """The commits of one turn on a bare connection, each of two small rows."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, body TEXT)")

    def commits() -> None:
        for _ in range(COMMITS):
            connection.execute("BEGIN IMMEDIATE")
            for _ in range(2):
                connection.execute("INSERT INTO log (body) VALUES (?)", ("x" * 200,))
            connection.execute("COMMIT")

    return commits


async def repeated(work: Callable[[], None], times: int) -> None:
    for _ in range(times):
        work()
