"""Puts a face together on a store that many machines share: it serves, and workers drive.

What a face knows of the workers it reads about once a second, with the database's clock, by which it goes too. Nothing
here holds a lock: any number of faces come and go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio

from bridge_mcp import __version__
from bridge_mcp.assembly import Assembly, Place, fetch_file, make_channels, make_roster
from bridge_mcp.config import Config
from bridge_mcp.core.errors import StoreError
from bridge_mcp.ports import Pulse, WorkerInfo
from bridge_mcp.service import Bridge
from bridge_mcp.stores.drafts import DraftFolder
from bridge_mcp.stores.opening import need_driver
from bridge_mcp.telemetry.configured import recording
from bridge_mcp.toolservers.schemas import Schemas
from bridge_mcp.workers.clock import DatabaseClock

if TYPE_CHECKING:
    from bridge_mcp.stores.postgres.store import PostgresStore

__all__ = ["WorkersSeen", "open_shared_face"]

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often the workers are looked at."""


class WorkersSeen:
    """The workers as they were a moment ago, and the database's clock."""

    def __init__(self, store: PostgresStore, clock: DatabaseClock) -> None:
        self._store = store
        self._clock = clock
        self.workers: tuple[WorkerInfo, ...] = ()

    async def look(self) -> None:
        """Look at them now.

        Raises:
            StoreError: Postgres cannot be reached.
        """
        await self._clock.ask(self._store.workers.now)
        self.workers = await self._store.workers.listed()
        if not self.workers and (undone := await self._store.workers.end_stopped()):
            logger.warning("%d processes stood still within a transaction: it is undone", undone)

    async def run(self) -> None:
        """Look again and again, until cancelled; what was seen last holds while Postgres is away."""
        told = ""
        while True:
            await anyio.sleep(LOOK_S)
            try:
                await self.look()
                told = ""
            except StoreError as exc:
                if str(exc) != told:
                    told = str(exc)
                    logger.warning("the workers cannot be looked at: %s", told)

    def drives(self) -> bool:
        """Whether any worker drives."""
        return any(not each.refuses for each in self.workers)

    def pulse(self) -> Pulse | None:
        """The sign of life of the worker that was heard of last; None for none."""
        latest = max((each for each in self.workers if not each.refuses), key=lambda each: each.seen, default=None)
        return None if latest is None else Pulse(latest.pid, latest.since, latest.seen)


@asynccontextmanager
async def open_shared_face(config: Config) -> AsyncGenerator[Assembly]:
    """The store and the service on it. A Postgres that cannot be reached is waited for, half a minute.

    Raises:
        ConfigError: the settings ask for what there is not.
        StoreError: the store cannot be opened.
    """
    need_driver()
    from bridge_mcp.stores.postgres.files import PostgresFiles
    from bridge_mcp.stores.postgres.store import open_store

    clock, schemas, drafts, place = DatabaseClock(), Schemas(), DraftFolder(config.drafts_path), Place(anyio.Event())
    channels = make_channels(config.channels, clock)
    roster = make_roster(config, channels)
    store = await open_store(
        config.store.url,
        clock=clock,
        delivered_by_commit=roster.delivered_by_commit,
        direct_url=config.store.direct_url,
        reads_at_once=config.store.reads_at_once,
    )
    looking, own = None, store.callers
    files = PostgresFiles(config.store.url, max_file=config.max_file, max_total=config.max_files)
    try:
        seen = WorkersSeen(store, clock)
        await seen.look()
        await roster.look(store, seen.drives())
        bridge = Bridge(
            store,
            roster.rules,
            roster.traits,
            clock=clock,
            check=schemas.complaint,
            engine_lives=seen.drives,
            fetch=partial(fetch_file, files, channels),
            clients=config.visitors,
            pulse=seen.pulse,
            settings=roster.own,
            drafts=drafts,
        )
        looking = asyncio.create_task(seen.run(), name="workers seen")
        async with recording(config.telemetry, __version__) as otlp:
            yield Assembly(config, store, files, bridge=bridge, place=place, drafts=drafts, otlp=otlp, callers=own)
    finally:
        if looking is not None:
            looking.cancel()
        with anyio.CancelScope(shield=True):
            await schemas.close()
            await files.close()
            await store.close()
