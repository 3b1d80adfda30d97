"""Memory: what an engine holds after many conversations were each heard and answered once."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from functools import partial

from tests.bench.bridges import on_the_loop, running
from tests.bench.peers import fresh_process, resident
from tests.bench.table import Table, amount
from tests.bench.turns import many

__all__ = ["run"]

AT_ONCE = 50


def run(quick: bool) -> list[Table]:
    """In a process that has done nothing else."""
    steps = (100, 500, 1_000) if quick else (100, 1_000, 10_000)
    held = fresh_process(measured, steps)
    first, middle, last = held
    grown = last - first
    return [
        Table(
            "memory: resident memory of the engine after so many conversations, each heard and answered once",
            ("", *(f"{step:,}" for step in steps), "growth", f"of it after {steps[1]:,}", "goal"),
            (
                ("engine", *(f"{amount(each)} MB" for each in held), f"{amount(grown)} MB",
                 f"{amount(last - middle)} MB", "none"),
            ),
            notes=("what grows at first are caches with a bound: SQLite's pages, the ends of 256 logs",),
        )
    ]  # fmt: skip


def measured(steps: Sequence[int]) -> list[float]:
    """MB after each step."""
    return on_the_loop(partial(measure, steps))


async def measure(steps: Sequence[int]) -> list[float]:
    held: list[float] = []
    done = 0
    async with running() as bridge:
        for step in steps:
            await many(bridge, f"upto{step}", step - done, 1, at_once=AT_ONCE)
            done = step
            gc.collect()
            held.append(resident(os.getpid()))
    return held
