"""A small run of the whole: nothing is lost, done twice or out of order, whatever happens to workers and Postgres."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.proxy import proxy_to
from tests.chaos.run import Plan, Report, run
from tests.chaos.yard import Yard, face_of
from tests.servers.postgres import PostgresServer
from tests.servers.telegram import TelegramServer

SMALL = Plan(workers=3, chats=6, messages=18, jobs=3, kills=2, every_s=(1.0, 1.5), stops_s=2.0, restarts=1, cut_s=2.0)


async def carried_out(plan: Plan, folder: Path, report: Report) -> None:
    """A plan, with all that it needs."""
    with PostgresServer() as postgres, TelegramServer() as server:
        yard = Yard(folder, server, postgres)
        async with proxy_to(postgres.served.port) as proxy, face_of(yard) as bridge:
            try:
                await run(plan, yard, bridge, server, proxy, report)
            finally:
                await yard.end()


@pytest.mark.shows("workers.chaos")
@pytest.mark.slow
async def test_whatever_happens_to_workers_and_to_postgres_each_message_is_answered_once(
    tmp_path: Path, full: bool
) -> None:
    """The option `--full` runs all of it, as `python -m tests.chaos` does, which also prints what it measures."""
    seed = random.randrange(1, 1_000_000)
    plan = replace(Plan() if full else SMALL, seed=seed)
    report = Report()
    await carried_out(plan, tmp_path, report)
    assert report.wrong == [], f"seed {seed}: {report.lines()}"
    assert report.answered + report.uncertain == plan.messages
    assert report.uncertain < plan.messages / 4, f"seed {seed}: {report.lines()}"
