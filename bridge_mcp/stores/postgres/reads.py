"""Reads of Postgres: each in a thread, on a connection of that thread's; one that is gone is made anew."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from bridge_mcp.core.errors import StoreError
from bridge_mcp.stores.postgres.connecting import CONNECT_S, Database
from bridge_mcp.stores.postgres.errors import ConnectionLost
from bridge_mcp.stores.postgres.session import Session as PostgresSession
from bridge_mcp.stores.sql.session import Row, Session

__all__ = ["PostgresReads"]

T = TypeVar("T")

SHORT_THREADS = 4
LONG_THREADS = 2
"""Reads at once, each with a connection: more would wait for the same cores. Long ones, such as searches, have threads
of their own, so that however many are asked for the others go on."""


class PostgresReads:
    """See `stores.sql.session.Reads`."""

    def __init__(self, database: Database, version: int) -> None:
        self._database = database
        self._version = version
        self._short = ThreadPoolExecutor(SHORT_THREADS, thread_name_prefix="bridge-mcp-reads")
        self._long = ThreadPoolExecutor(LONG_THREADS, thread_name_prefix="bridge-mcp-long-reads")
        self._own = threading.local()
        self._sessions: list[PostgresSession] = []
        self._running: set[asyncio.Future[Any]] = set()
        self._closed = False

    async def long(self, read: Callable[[Session], T]) -> T:
        """In a thread; on its own if the caller is cancelled."""
        return await self._on(self._long, read)

    async def short(self, read: Callable[[Session], T]) -> T:
        """In a thread: whatever is asked of a server is waited for."""
        return await self._on(self._short, read)

    async def rows(self, statement: str, /, **values: object) -> list[Row]:
        """In a thread."""
        return await self.short(lambda session: session.rows(statement, **values))

    async def row(self, statement: str, /, **values: object) -> Row | None:
        """In a thread."""
        return await self.short(lambda session: session.row(statement, **values))

    async def value(self, statement: str, /, **values: object) -> Any:
        """In a thread."""
        return await self.short(lambda session: session.value(statement, **values))

    async def _on(self, threads: ThreadPoolExecutor, read: Callable[[Session], T]) -> T:
        if self._closed:
            raise StoreError(f"The store {self._database.place} is closed.", fix="Open it again.")
        running = asyncio.get_running_loop().run_in_executor(threads, self._read, read)
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return await asyncio.shield(running)

    def _read(self, read: Callable[[Session], T]) -> T:
        session: PostgresSession | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = PostgresSession(self._database, self._version, reading=True)
            self._sessions.append(session)
        until = time.monotonic() + CONNECT_S
        while True:
            try:
                return read(session)
            except ConnectionLost:
                session.mend()
                if time.monotonic() > until or self._closed:
                    raise

    def give_up(self) -> None:
        """Wait no longer for what is under way."""
        for session in self._sessions:
            session.give_up()

    async def close(self) -> None:
        """Let the reads under way end, then close what is open."""
        self._closed = True
        if self._running:
            await asyncio.wait(self._running)
        for threads in (self._short, self._long):
            await asyncio.to_thread(threads.shutdown)
        for session in self._sessions:
            session.close()
