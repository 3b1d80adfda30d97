"""Processes that run calls themselves, as rows that each renews (`ports.Callers`): any machine sees who lives.

A lock of a session would be lost with every short cut of the network, and all at once when Postgres is restarted; a row
outlives both. A process that is killed is therefore known to be gone only after `SILENT_S`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager

import anyio

from bridge_mcp.core.errors import StoreError
from bridge_mcp.stores.sql.session import Reads
from bridge_mcp.stores.sql.writer import Writer

__all__ = ["PostgresCallers"]

logger = logging.getLogger(__name__)

SAY_S = 5.0
"""How often a process says that it lives."""

SILENT_S = 30.0
"""Who says nothing for so long is taken for gone."""

GONE_S = 24 * 3600.0
"""Rows of processes that were killed are removed after so long."""

LEAVE_S = 2.0
"""How long a process that ends tries to say so."""


class PostgresCallers:
    """See `ports.Callers`."""

    def __init__(self, reads: Reads, writer: Writer) -> None:
        self._reads = reads
        self._writer = writer

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[str]:
        """See `ports.Callers`."""
        name = secrets.token_hex(8)
        await self._say("caller_lives", name=name)
        await self._say("forget_callers", gone_s=GONE_S)
        saying = asyncio.create_task(self._keep_saying(name), name="saying that this process lives")
        try:
            yield name
        finally:
            saying.cancel()
            with anyio.move_on_after(LEAVE_S, shield=True):
                try:
                    await self._say("caller_leaves", name=name)
                except StoreError as exc:
                    logger.warning("others see only after %g s that this process has ended: %s", SILENT_S, exc)

    async def living(self, names: Collection[str]) -> frozenset[str]:
        """See `ports.Callers`."""
        if not names:
            return frozenset()
        rows = await self._reads.rows("callers_alive", names=list(names), silent_s=SILENT_S)
        return frozenset(str(name) for (name,) in rows)

    async def _keep_saying(self, name: str) -> None:
        while True:
            await asyncio.sleep(SAY_S)
            try:
                await self._say("caller_lives", name=name)
            except StoreError as exc:
                logger.warning("others cannot be told that this process lives: %s", exc)

    async def _say(self, statement: str, **values: object) -> None:
        await self._writer.execute(lambda session: session.run(statement, **values))
