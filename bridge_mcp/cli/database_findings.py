"""What `check` finds in a store on Postgres: the way to it, its schema, its clock, and who works on it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from bridge_mcp.cli.findings import Finding
from bridge_mcp.cli.texts import databases as texts
from bridge_mcp.cli.workers_shown import queue_line, worker_line
from bridge_mcp.config import Config
from bridge_mcp.core.errors import BridgeError

if TYPE_CHECKING:
    from bridge_mcp.stores.postgres.looking import Way

__all__ = ["database_findings"]

MAX_OFFSET_S = 2.0
"""How far this machine's clock may be off until it is told: the database's decides, and logs are read by people."""


async def database_findings(config: Config) -> AsyncIterator[Finding]:
    """Whether the database can be used, by every way to it, and who works on it."""
    from bridge_mcp.operations.clocks import WallClock
    from bridge_mcp.stores.opening import need_driver, schema_version

    try:
        need_driver()
        from bridge_mcp.stores.postgres.looking import way_to
        from bridge_mcp.stores.postgres.store import open_store

        ways = [await run_sync(way_to, config.store.url)]
        if config.store.direct_url:
            ways.append(await run_sync(way_to, config.store.direct_url))
        if wrong := connection_findings(ways):
            for finding in wrong:
                yield finding
            return
        opened = await open_store(config.store.url, clock=WallClock(), direct_url=config.store.direct_url)
    except BridgeError as exc:
        yield Finding("store", False, str(exc))
        return
    try:
        version = await run_sync(schema_version, config.store.direct) or 0
        yield Finding("store", True, texts.opens(config.store.shown, ways[0].server, version=version))
        for host in config.store.open_to:
            yield Finding("store", True, texts.unencrypted(host), warning=True)
        offset = time.time() - await opened.workers.now()
        yield Finding("clock", True, texts.clock(offset), warning=abs(offset) > MAX_OFFSET_S)
        workers, queue = await opened.workers.listed(), await opened.workers.queue()
        for worker in workers:
            yield Finding("worker", not worker.refuses, worker_line(worker))
        if not any(not worker.refuses for worker in workers):
            yield Finding("workers", True, texts.NO_WORKER, warning=True)
        yield Finding("queue", True, queue_line(queue))
    except BridgeError as exc:
        yield Finding("store", False, str(exc))
    finally:
        await opened.close()


def connection_findings(ways: list[Way]) -> list[Finding]:
    """What is wrong with the ways to the database: notices and locks need one with a session of its own."""
    findings: list[Finding] = []
    if not ways[-1].keeps_sessions:
        findings.append(Finding("store", False, texts.POOLED_ALONE if len(ways) == 1 else texts.DIRECT_IS_POOLED))
    elif len(ways) > 1 and ways[0].database != ways[1].database:
        findings.append(Finding("store", False, texts.TWO_DATABASES))
    return findings
