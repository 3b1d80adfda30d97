"""Reads of Postgres: each in a thread, on a connection of that thread's; one that is gone is made anew."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from bridge_mcp.core.errors import StoreError
from bridge_mcp.stores.postgres.connecting import ANSWER_S, CONNECT_S, LONG_S, Database
from bridge_mcp.stores.postgres.errors import UNREACHABLE, ConnectionLost, Refused
from bridge_mcp.stores.postgres.session import Session as PostgresSession
from bridge_mcp.stores.sql.session import Row, Session

__all__ = ["AT_ONCE", "PostgresReads"]

T = TypeVar("T")

AT_ONCE = 4
"""Reads at once, each with a connection: more would wait for the same cores."""


class PostgresReads:
    """See `stores.sql.session.Reads`."""

    def __init__(self, database: Database, version: int, at_once: int = AT_ONCE) -> None:
        """Long reads, such as searches, have half as many threads of their own: others go on beside any number."""
        self._database = database
        self._version = version
        self._short = ThreadPoolExecutor(at_once, thread_name_prefix="bridge-mcp-reads")
        self._long = ThreadPoolExecutor((at_once + 1) // 2, thread_name_prefix="bridge-mcp-long-reads")
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
        """Raises `StoreError` also where neither Postgres nor the reads before this one end within bounds."""
        if self._closed:
            raise StoreError(f"The store {self._database.place} is closed.", fix="Open it again.")
        answer_s = LONG_S if threads is self._long else ANSWER_S
        running = asyncio.get_running_loop().run_in_executor(threads, self._read, read, answer_s)
        self._running.add(running)
        running.add_done_callback(self._ended)
        if not (await asyncio.wait((running,), timeout=answer_s + CONNECT_S))[0]:
            running.cancel()  # if it has not begun
            raise StoreError(
                f"The store {self._database.place} has not answered for {answer_s + CONNECT_S:g} s.", fix=UNREACHABLE
            )
        return running.result()

    def _ended(self, running: asyncio.Future[Any]) -> None:
        self._running.discard(running)
        if not running.cancelled():
            running.exception()  # whoever asked may be gone: then nobody else looks

    def _read(self, read: Callable[[Session], T], answer_s: float) -> T:
        session: PostgresSession | None = getattr(self._own, "session", None)
        if session is None:
            session = PostgresSession(self._database, self._version, reading=True, answer_s=answer_s)
            self._own.session = session
            self._sessions.append(session)
        until = time.monotonic() + CONNECT_S
        while True:
            try:
                return read(session)
            except ConnectionLost as lost:
                session.mend()
                if isinstance(lost, Refused) or time.monotonic() > until or self._closed:
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
