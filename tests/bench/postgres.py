"""The store on Postgres beside the one on SQLite: what a turn's writes and reads cost, and pages of a large store."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio

from bridge_mcp.assembly import WallClock
from bridge_mcp.ports import Store
from bridge_mcp.stores import opening
from tests.bench.bridges import on_the_loop
from tests.bench.figures import Rounds, median, of_pairs
from tests.bench.peers import fresh_process
from tests.bench.reading import CALLS, GOAL, SMALL, fill, service, timed
from tests.bench.table import Table, amount, micro, milli, ratio, verdict
from tests.contract.store_kit import turn
from tests.servers.postgres import PostgresServer

__all__ = ["run"]

HALF = 0.5
AT_ONCE = 100
ROUNDS = 3

Figures = dict[str, tuple[float, float]]
"""By store: turns per second, and CPU seconds of this process for one."""


def run(quick: bool) -> list[Table]:
    """In a process that has done nothing else."""
    big, rounds, calls, turns = (20_000, 3, 40, 2) if quick else (1_000_000, 10, 100, 10)
    built, stored, alone, together, pages = fresh_process(measured, big, rounds, calls, turns)
    rows = [row("turns/s, one after another", alone), row(f"turns/s, {AT_ONCE} conversations at once", together)]
    return [
        Table(
            "a turn's writes (message, intent, reply) on both stores, the disk waited for; medians",
            ("", "SQLite", "CPU", "Postgres", "CPU", "ratio", "goal"),
            tuple(rows),
            notes=("Postgres runs beside this process, on the same cores, and is reached by its socket",),
        ),
        Table(
            f"reading on Postgres: of {SMALL:,} and {big:,} stored messages; p50, p99",
            ("", f"{SMALL:,}", "p99", f"{big:,}", "p99", "ratio", "goal"),
            tuple(pages),
            notes=(
                f"the big store was filled through its own appends in {amount(built)} s, "
                f"and takes {stored / big:,.0f} bytes for a message, indexes and all",
            ),
        ),
    ]


def row(name: str, found: Figures) -> tuple[str, ...]:
    """One line about turns."""
    (sqlite, sqlite_cpu), (postgres, postgres_cpu) = found["sqlite"], found["postgres"]
    times = postgres / sqlite
    goal = verdict(times, HALF, f"{HALF}", at_least=True)
    return (
        *(name, f"{amount(sqlite)}/s", milli(sqlite_cpu), f"{amount(postgres)}/s", milli(postgres_cpu)),
        *(ratio(times), goal),
    )


Measured = tuple[float, float, Figures, Figures, list[tuple[str, ...]]]


def measured(big: int, rounds: int, calls: int, turns: int) -> Measured:
    """Seconds to fill the big store, its bytes, turns alone and together, and the lines about pages."""
    return on_the_loop(partial(measure, big, rounds, calls, turns))


async def measure(big: int, rounds: int, calls: int, turns: int) -> Measured:
    with tempfile.TemporaryDirectory(prefix="bridge-mcp-bench-") as folder, PostgresServer(durable=True) as server:
        urls = {"sqlite": f"sqlite:///{Path(folder) / 'b.db'}", "postgres": server.served.create().url}
        alone: Figures = {}
        together: Figures = {}
        for name, url in urls.items():
            store = await opened(url)
            await many(store, "warm", 20, 1)
            alone[name] = await rate(partial(many, store, "alone", turns * 30, 1), turns * 30)
            together[name] = await rate(partial(many, store, "together", AT_ONCE * turns, AT_ONCE), AT_ONCE * turns)
            await store.close()
        made = server.served.create()
        small, large = await opened(server.served.create().url), await opened(made.url)
        await fill(small, SMALL)
        begun = time.perf_counter()
        await fill(large, big)
        built = time.perf_counter() - begun
        with made.connect() as connection:
            connection.execute("ANALYZE")
            size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        pages = await read(small, large, big, rounds, calls)
        await small.close()
        await large.close()
        return built, float(size[0]) if size else 0.0, alone, together, pages


async def read(small: Store, large: Store, big: int, rounds: int, calls: int) -> list[tuple[str, ...]]:
    """The lines about pages, small and big in turn."""
    lines: list[tuple[str, ...]] = []
    for what, call in CALLS.items():
        pair = (Rounds(), Rounds())
        for number in range(rounds + 1):
            for store, size, into in ((small, SMALL, pair[0]), (large, big, pair[1])):
                each = await timed(partial(call, service(store), size), calls)
                if number:
                    into.rounds.append(each)
        times = of_pairs(pair[1].medians, pair[0].medians)
        goal = "-" if "query" in what else verdict(times, GOAL, f"{GOAL:.1f}")
        figures = [micro(figure) for each in pair for figure in (each.p50, each.p99)]
        lines.append((what, *figures, ratio(times), goal))
    return lines


async def opened(url: str) -> Store:
    return await opening.open_store(url, clock=WallClock(), delivered_by_commit=frozenset({"local"}))


async def rate(work: Callable[[str], Awaitable[None]], turns: int) -> tuple[float, float]:
    """Turns per second, and CPU of one: medians of some rounds."""
    rates, used = ([0.0] * 0 for _ in range(2))
    for number in range(ROUNDS):
        begun, cpu = time.perf_counter(), time.process_time()
        await work(f"r{number}")
        rates.append(turns / (time.perf_counter() - begun))
        used.append((time.process_time() - cpu) / turns)
    return median(rates), median(used)


async def many(store: Store, name: str, turns: int, at_once: int, round: str = "") -> None:
    """So many turns in fresh conversations, so many at a time."""
    numbers = iter(range(turns))

    async def work() -> None:
        for number in numbers:
            await turn(store, f"local/{name}{round}.{number}")

    async with anyio.create_task_group() as tasks:
        for _ in range(at_once):
            tasks.start_soon(work)
