"""Reading: whether a page of messages or conversations costs more when a thousand times as many are stored."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio

from bridge_mcp.assembly import WallClock
from bridge_mcp.core.entries import Entry, Heard, Posted, Sender
from bridge_mcp.ports import ChannelRules, ChannelTraits, Rules, Store
from bridge_mcp.service import OWNER, Bridge
from bridge_mcp.stores.sqlite import SqliteStore, open_store
from bridge_mcp.testing import FakeToolbox
from tests.bench.bridges import on_the_loop
from tests.bench.figures import Round, Rounds, of_pairs
from tests.bench.peers import fresh_process
from tests.bench.table import Table, amount, micro, ratio, verdict

__all__ = ["run"]

GOAL = 2.0
SMALL = 1_000
IN_EACH = 50
"""Messages of a conversation, but for the one that holds a tenth of all."""

PAGE = 50
LISTED = 15
"""Conversations of a page; the small store holds a few more."""

WRITERS = 32
VERIFIED = 20

ANN, HOST = Sender("7", "Ann"), Sender("host", "host", "client")
SENTENCES = (
    "The tide is out, and the boats lie on their sides until noon.",
    "Could somebody look after the harbour lights tonight?",
    "Ann will bring the nets; the ropes are in the shed behind the inn.",
)


def run(quick: bool) -> list[Table]:
    """In a process that has done nothing else."""
    big, rounds, calls = (20_000, 3, 40) if quick else (1_000_000, 10, 100)
    built, wrong, found = fresh_process(measured, big, rounds, calls)
    rows: list[tuple[str, ...]] = []
    for name, (small, large) in found.items():
        times = of_pairs(large.medians, small.medians)
        goal = "-" if "query" in name else verdict(times, GOAL, f"{GOAL:.1f}")
        rows.append((name, micro(small.p50), micro(small.p99), micro(large.p50), micro(large.p99), ratio(times), goal))
    return [
        Table(
            f"reading: {PAGE} messages or {LISTED} conversations, of {SMALL:,} and {big:,} stored messages; p50, p99",
            ("", f"{SMALL:,}", "p99", f"{big:,}", "p99", "ratio", "goal"),
            tuple(rows),
            notes=(
                f"the big store was filled through its own appends in {amount(built)} s; "
                f"verifying {VERIFIED} conversations found {wrong} wrong",
                f"one conversation holds a tenth of all messages, the others {IN_EACH}; each call takes one at random",
            ),
        )
    ]


Found = dict[str, tuple[Rounds, Rounds]]


def measured(big: int, rounds: int, calls: int) -> tuple[float, int, Found]:
    """Seconds to fill the big store, what verifying found wrong, and the rounds of each call, small and big."""
    return on_the_loop(partial(measure, big, rounds, calls))


async def measure(big: int, rounds: int, calls: int) -> tuple[float, int, Found]:
    with tempfile.TemporaryDirectory(prefix="bridge-mcp-bench-") as name:
        async with opened(Path(name) / "small.db") as small, opened(Path(name) / "big.db") as large:
            await fill(small, SMALL)
            begun = time.perf_counter()
            await fill(large, big)
            built = time.perf_counter() - begun
            wrong = 0
            for conversation in [place(0), *(place(random.randrange(1, shares(big))) for _ in range(VERIFIED - 1))]:
                wrong += len(await large.verify(conversation))
            found: Found = {}
            for what, call in CALLS.items():
                pair = found[what] = (Rounds(), Rounds())
                for number in range(rounds + 1):
                    for store, size, into in ((small, SMALL, pair[0]), (large, big, pair[1])):
                        each = await timed(partial(call, service(store), size), calls)
                        if number:
                            into.rounds.append(each)
            return built, wrong, found


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[SqliteStore]:
    store = await open_store(path, clock=WallClock(), delivered_by_commit=frozenset({"local"}))
    try:
        yield store
    finally:
        await store.close()


def service(store: Store) -> Bridge:
    """The service over a store, without an engine."""
    traits = {"local": ChannelTraits("local", "local", needs_pairing=False, delivered_by_commit=True)}
    rules = Rules({"local": ChannelRules("local")})
    return Bridge(store, rules, traits, clock=WallClock(), check=FakeToolbox().check)


def place(number: int) -> str:
    return f"local/{number}"


def shares(messages: int) -> int:
    """How many conversations so many messages make: one with a tenth of them, others with `IN_EACH`."""
    return 1 + messages * 9 // 10 // IN_EACH


async def fill(store: Store, messages: int) -> None:
    """Append so many messages, some conversations at a time, so that commits are shared."""
    numbers = iter(range(shares(messages)))

    async def write() -> None:
        for number in numbers:
            count = IN_EACH if number else messages // 10
            for first in range(0, count, IN_EACH):
                await store.log.record(place(number), *(said(first + n) for n in range(IN_EACH)))

    async with anyio.create_task_group() as tasks:
        for _ in range(WRITERS):
            tasks.start_soon(write)


def said(number: int) -> Entry:
    """The so-manieth message of a conversation: in and out in turn."""
    text = SENTENCES[number % len(SENTENCES)]
    if number % 2:
        return Posted(text, HOST, key=f"p{number}")
    return Heard(text, ANN, key=f"h{number}", to="relay")


async def timed(call: Callable[[], Awaitable[object]], calls: int) -> Round:
    each: list[float] = []
    begun = time.perf_counter()
    for _ in range(calls):
        since = time.perf_counter()
        await call()
        each.append(time.perf_counter() - since)
    return Round(each, time.perf_counter() - begun)


async def read_messages(bridge: Bridge, messages: int) -> None:
    await bridge.read_messages(OWNER, place(random.randrange(shares(messages))), limit=PAGE)


async def read_longest(bridge: Bridge, messages: int) -> None:
    """Somewhere in the middle of the longest conversation."""
    before = f"{place(0)}#{random.randrange(PAGE, messages // 10)}"
    await bridge.read_messages(OWNER, place(0), before=before, limit=PAGE)


async def list_conversations(bridge: Bridge, messages: int) -> None:
    await bridge.list_conversations(OWNER, limit=LISTED)


async def list_like(bridge: Bridge, messages: int) -> None:
    """A part of a name has to be looked for in all of them."""
    await bridge.list_conversations(OWNER, query=f"l/{random.randrange(shares(messages))}", limit=LISTED)


CALLS: dict[str, Callable[[Bridge, int], Awaitable[None]]] = {
    "read_messages, any conversation": read_messages,
    "read_messages, within the longest": read_longest,
    "list_conversations": list_conversations,
    "list_conversations with a query": list_like,
}
