"""A process that is killed while it writes: what it was told is committed is there, and the store is in order."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bridge_mcp.core.entries import Heard
from bridge_mcp.stores.sqlite import open_store, verify
from tests.contract.store_kit import StoreClock

CHILD = """
import asyncio, sys
from bridge_mcp.core.entries import Heard, Replied, Sender, Started
from bridge_mcp.stores.sqlite import open_store

class Clock:
    def now(self):
        return 1000.0

async def chat(store, who, run):
    here = f"family/{who}"
    n = 0
    while True:
        (came,) = await store.log.record(here, Heard(f"text {n} of run {run}", Sender("7"), f"{run}.{n}"))
        print(f"{here} {came.seq} {run}.{n}", flush=True)
        head = (await store.log.load(here, last=1))[0].seq + 1
        (begun,) = await store.log.intend(here, head, Started("model", turn=came.seq))
        await store.log.answer(here, begun.seq, Replied("ok", upto=begun.seq, turn=came.seq), wake=None)
        n += 1

async def main(path, run):
    store = await open_store(path, clock=Clock())
    async with asyncio.TaskGroup() as tasks:
        for who in range(8):
            tasks.create_task(chat(store, who, run))

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""

Committed = tuple[str, int, str]


def run_and_kill(path: Path, run: int, lines: int) -> list[Committed]:
    """What a child said it had committed, until it was killed after so many lines."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), str(run)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(lines)]
    child.kill()
    rest, errors = child.communicate(timeout=30)
    assert errors == ""
    # The last line may have been cut off by the kill.
    said += rest.splitlines(keepends=True)
    found: list[Committed] = []
    for line in said:
        if line.endswith("\n"):
            conversation, seq, key = line.split()
            found.append((conversation, int(seq), key))
    return found


@pytest.mark.shows("store.durable")
@pytest.mark.slow
async def test_what_was_committed_survives_kills_at_any_moment(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    committed: list[Committed] = []
    for run in range(8):
        committed += run_and_kill(path, run, lines=20 + 37 * run)
        assert verify(path) == ()
    store = await open_store(path, clock=StoreClock())
    logs = {name: await store.log.load(name) for name in {conversation for conversation, _, _ in committed}}
    for name, log in logs.items():
        assert [logged.seq for logged in log] == list(range(len(log))), f"{name} has holes"
    lost = [
        (conversation, seq, key)
        for conversation, seq, key in committed
        if not (isinstance(entry := logs[conversation][seq].entry, Heard) and entry.key == key)
    ]
    assert lost == []
    assert len(committed) > 1000
    assert len(await store.history.search("text run", limit=5000)) >= len(committed)
    await store.close()
