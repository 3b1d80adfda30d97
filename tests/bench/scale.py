"""Scale: workers on one Postgres beside one process on SQLite; how soon others hear of an append; what idling costs."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import anyio
import psycopg

from bridge_mcp.assembly import WallClock, make_channels, make_roster
from bridge_mcp.config import Config, load_config
from bridge_mcp.core.entries import Heard, Sender
from bridge_mcp.service import OWNER, Bridge
from bridge_mcp.stores.opening import open_store
from bridge_mcp.toolservers.schemas import Schemas
from tests.bench.figures import median
from tests.bench.table import Table, amount, milli
from tests.contract.store_kit import turn
from tests.servers.model_apis.openai_server import OpenAIServer
from tests.servers.postgres import Database, PostgresServer

__all__ = ["run"]

MODEL_S = 0.2
"""How long the model takes."""
CONCURRENCY = 8
PLAIN_CONCURRENCY = 64
"""The same with a model that takes no time, where an engine of one machine drives as many by itself."""
PATIENCE_S = 120.0
PAGE, LOOK_S = 1000, 0.01
WINDOWS = 3
ANN = Sender("7", "Ann")

CONFIG = """
[channels.local]
type = "local"
responder = "assistant"
[models.default]
model = "%s"
%s
"""


class SlowServer(OpenAIServer):
    """A provider that takes its time."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(MODEL_S)
        await super().__call__(scope, receive, send)


@dataclass
class Place:
    """A store, with the settings that lead to it."""

    config: Path
    env: dict[str, str]
    database: Database | None = None

    @property
    def settings(self) -> Config:
        return load_config(self.config, env=self.env)


def place_of(folder: Path, database: Database | None, model: str = "scripted", more: str = "") -> Place:
    """A folder with a configuration; without a database, its store is SQLite's."""
    folder.mkdir()
    text = CONFIG % (model, more)
    env = {**os.environ, "BRIDGE_MCP_STATE_DIR": str(folder / "state"), "BENCH_KEY": "sk-test"}
    if database is not None:
        text, env["BENCH_DATABASE"] = f'[store]\nurl_env = "BENCH_DATABASE"\n{text}', database.tcp_url
    (folder / "bridge.toml").write_text(text)
    return Place(folder / "bridge.toml", env, database)


@asynccontextmanager
async def face(place: Place) -> AsyncGenerator[Bridge]:
    """The bridge as a process has it that only writes and reads."""
    config, clock, schemas = place.settings, WallClock(), Schemas()
    config.state_dir.mkdir(parents=True, exist_ok=True)
    roster = make_roster(config, make_channels(config.channels, clock))
    store = await open_store(config.store.url, clock=clock, delivered_by_commit=roster.delivered_by_commit)
    try:
        yield Bridge(store, roster.rules, roster.traits, clock=clock, check=schemas.complaint)
    finally:
        await schemas.close()
        await store.close()


@asynccontextmanager
async def process(place: Place, *arguments: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A process that works, until the context ends."""
    command = [sys.executable, "-m", "bridge_mcp", *arguments, "--config", str(place.config), "--log-level", "error"]
    child = await asyncio.create_subprocess_exec(*command, env=place.env, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
    try:
        yield child
    finally:
        child.kill()
        await child.wait()


def cpu_of(*pids: int) -> float:
    """CPU seconds of processes and their children so far (Linux)."""
    used, ticks = 0.0, os.sysconf("SC_CLK_TCK")
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) in pids or int(fields[1]) in pids:
            used += (int(fields[11]) + int(fields[12])) / ticks
    return used


# -- turns per second ------------------------------------------------------------------------------------------


async def turns(place: Place, bridge: Bridge, name: str, count: int) -> float:
    """Seconds for so many turns, each in a conversation of its own, all offered at once."""
    names = [f"local/{name}.{number}" for number in range(count)]
    open_turns, cursor = {*names}, await bridge.store.feed.head()
    begun = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for each in names:
            tasks.start_soon(bridge.say, OWNER, each, "hello")
    with anyio.fail_after(PATIENCE_S), closing(bridge.store.agenda.watch()) as changes:
        while True:
            page = await bridge.store.feed.read(cursor, PAGE, types=("turn.finished",))
            open_turns -= {event.conversation for event in page.events}
            if not open_turns:
                return time.perf_counter() - begun
            cursor = page.cursor
            if len(page.events) < PAGE:
                await anyio.sleep(LOOK_S)  # looking takes time of theirs
                await changes.wait(0.2)


async def rate(place: Place, commands: Sequence[tuple[str, ...]], count: int, postgres: int = 0) -> tuple[float, float]:
    """Turns per second of these processes, and how many cores all of it kept busy."""
    async with AsyncExitStack() as stack:
        bridge = await stack.enter_async_context(face(place))
        children = [await stack.enter_async_context(process(place, *each)) for each in commands]
        await turns(place, bridge, "warm", 40 * len(commands))
        pids = [child.pid for child in children] + ([postgres] if postgres else [])
        used = cpu_of(*pids)
        took = await turns(place, bridge, "run", count)
        return count / took, (cpu_of(*pids) - used) / took


async def rates(folder: Path, server: PostgresServer, quick: bool) -> list[tuple[str, ...]]:
    assert server.process is not None
    postgres = server.process.pid
    seconds, plain, rows = (2, 200, []) if quick else (6, 1000, list[tuple[str, ...]]())
    with SlowServer(keys={"sk-test"}) as provider:
        more = f'base_url = "{provider.url}"\napi_key_env = "BENCH_KEY"'
        most = CONCURRENCY / MODEL_S
        place = place_of(folder / "slow", None, "openai/slow", f"{more}\n[engine]\nmax_turns = {CONCURRENCY}")
        on_file = await rate(place, [("serve",)], int(most * seconds))
        rows.append(row("1 engine on SQLite, a model of 200 ms", on_file, most))
        for workers in (1, 2, 4):
            place = place_of(folder / f"slow{workers}", server.served.create(), "openai/slow", more)
            commands = [("worker", "--concurrency", str(CONCURRENCY))] * workers
            found = await rate(place, commands, int(most * workers * seconds), postgres)
            rows.append(row(f"{workers} on Postgres, a model of 200 ms", found, most * workers, on_file))
    place = place_of(folder / "file", None, more=f"[engine]\nmax_turns = {PLAIN_CONCURRENCY}")
    on_file = await rate(place, [("serve",)], plain)
    rows.append(row("1 engine on SQLite, scripted model", on_file))
    place = place_of(folder / "plain", server.served.create())
    found = await rate(place, [("worker", "--concurrency", str(PLAIN_CONCURRENCY))], plain, postgres)
    rows.append(row("1 on Postgres, scripted model", found, beside=on_file))
    return rows


def row(
    name: str, found: tuple[float, float], most: float = 0.0, beside: tuple[float, float] | None = None
) -> tuple[str, ...]:
    """The turns per second of a process or several, `beside` those of one engine on SQLite."""
    turns, cores = found
    than = "-" if beside is None else f"{turns / beside[0]:.2f}"
    return name, f"{amount(turns)}/s", f"{amount(most)}/s" if most else "-", than, amount(cores)


# -- how soon others hear of it --------------------------------------------------------------------------------


async def waked(place: Place, rounds: int, *, polls: bool) -> float:
    """The median of the seconds from an append here until another process has its event."""
    command = [sys.executable, "-m", "tests.bench.scale", str(place.config), "poll" if polls else "wait"]
    child = await asyncio.create_subprocess_exec(*command, env=place.env, stdin=DEVNULL, stdout=-1)
    assert child.stdout is not None
    found: list[float] = []
    try:
        async with face(place) as bridge:
            await child.stdout.readline()
            for number in range(rounds):
                await anyio.sleep(0.05 + 0.013 * (number % 17))
                began = time.time()
                await bridge.store.log.record("local/wake", Heard("hi", ANN, f"{polls}-{number}"))
                with anyio.fail_after(PATIENCE_S):
                    found.append(float(await child.stdout.readline()) - began)
    finally:
        child.kill()
        await child.wait()
    return median(found)


async def hear(config: str, how: str) -> None:
    """In the other process: the moment at which each event is there, a line each."""
    async with face(Place(Path(config), dict(os.environ))) as bridge:
        cursor = await bridge.store.feed.head()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            if how == "wait":
                page = await bridge.wait_for_events(OWNER, after=cursor, timeout_s=20)
            else:
                await anyio.sleep(0.2)
                page = await bridge.store.feed.read(cursor, 100)
            cursor = page.cursor
            for _ in page.events:
                sys.stdout.write(f"{time.time()}\n")
            sys.stdout.flush()


async def wakes(folder: Path, server: PostgresServer, quick: bool) -> list[tuple[str, ...]]:
    rounds, rows = (20 if quick else 200), list[tuple[str, ...]]()
    for name, database, goal in (("Postgres", server.served.create(), "15 ms"), ("SQLite", None, "30 ms")):
        place = place_of(folder / f"wake{name}", database)
        async with face(place):
            pass
        heard = await waked(place, rounds, polls=False)
        polled = await waked(place, rounds, polls=True)
        rows.append((f"append to wait_for_events elsewhere, {name}, p50", milli(heard), milli(polled), goal))
    return rows


# -- what idling costs -----------------------------------------------------------------------------------------


async def idles(folder: Path, server: PostgresServer, quick: bool) -> list[tuple[str, ...]]:
    count, seconds, rows = (500, 1.3, []) if quick else (10_000, 15.0, list[tuple[str, ...]]())
    assert server.process is not None
    for name, database in (("1 worker on Postgres", server.served.create()), ("1 engine on SQLite", None)):
        place = place_of(folder / f"idle{database is None}", database)
        async with face(place) as bridge, AsyncExitStack() as stack:
            async with anyio.create_task_group() as tasks:
                for number in range(count):
                    tasks.start_soon(turn, bridge.store, f"local/{number}")
            command = ("serve",) if database is None else ("worker",)
            child = await stack.enter_async_context(process(place, *command))
            await turns(place, bridge, "warm", 20)
            while jobs_of(database):  # noqa: ASYNC110 - those of the conversations that were made just now
                await anyio.sleep(0.5)
            await anyio.sleep(5)
            windows: list[tuple[float, float, float]] = []
            for _ in range(WINDOWS):
                own, server_s, asked = cpu_of(child.pid), cpu_of(server.process.pid), transactions(database)
                await anyio.sleep(seconds)
                used = (cpu_of(child.pid) - own, cpu_of(server.process.pid) - server_s, transactions(database) - asked)
                windows.append((used[0] / seconds, used[1] / seconds, used[2] / seconds))
            own, server_s, asked = min(windows)  # in the others, what filling it left behind is still worked on
            queries, postgres = ("-", "-") if database is None else (f"{amount(asked)}/s", f"{100 * server_s:.1f} %")
        rows.append((f"{name}, {count:,} conversations that rest", f"{100 * own:.1f} %", postgres, queries, "1 %"))
    return rows


def jobs_of(database: Database | None) -> int:
    """How many jobs wait or are under way."""
    if database is None:
        return 0
    with database.connect() as connection:
        row = connection.execute("SELECT count(*) FROM procrastinate_jobs").fetchone()
    return 0 if row is None else int(row[0])


def transactions(database: Database | None) -> int:
    """How many transactions there were in a database."""
    if database is None:
        return 0
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_clear_snapshot()")
        row = connection.execute(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    return 0 if row is None else int(row[0])


def run(quick: bool) -> list[Table]:
    with tempfile.TemporaryDirectory(prefix="bridge-mcp-bench-") as folder, PostgresServer(durable=True) as server:
        return anyio.run(partial(measured, Path(folder), server, quick))


async def measured(folder: Path, server: PostgresServer, quick: bool) -> list[Table]:
    return [
        Table(
            f"scale: turns of workers on one Postgres (--concurrency {CONCURRENCY}), {os.cpu_count()} cores",
            ("", "turns", "most there can be", "of 1 engine on SQLite", "cores busy"),
            tuple(await rates(folder, server, quick)),
            notes=(
                "offered are more turns than can be worked on; cores are those of workers, engine and Postgres",
                "the goal: one worker on Postgres makes at least half the turns of one engine on SQLite",
            ),
        ),
        Table(
            "wake-up: an append in one process, its event in another",
            ("", "bridge", "a poller of 200 ms", "goal"),
            tuple(await wakes(folder, server, quick)),
        ),
        Table(
            f"idling, shares of a core; the least of {WINDOWS} windows",
            ("", "process", "Postgres", "transactions", "goal"),
            tuple(await idles(folder, server, quick)),
        ),
    ]


if __name__ == "__main__":
    anyio.run(hear, sys.argv[1], sys.argv[2])
