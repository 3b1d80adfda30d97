"""A process that wants one lease, and says when it has it: `python -m tests.integration.lease_child URL`."""

from __future__ import annotations

import sys

import anyio

from bridge_mcp.workers.clock import DatabaseClock
from bridge_mcp.workers.leases import PostgresLeases
from bridge_mcp.workers.session import DirectSession


async def main(url: str) -> None:
    """Want it, until killed."""
    session = DirectSession(url, DatabaseClock())
    leases = PostgresLeases(session, "child")

    async def tell() -> None:
        sys.stdout.write("held\n")
        sys.stdout.flush()
        try:
            await anyio.sleep_forever()
        finally:
            sys.stdout.write("lost\n")
            sys.stdout.flush()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.run)
        tasks.start_soon(leases.hold, "channel:family", tell)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
