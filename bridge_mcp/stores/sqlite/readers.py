"""Reads of a file: short ones on the event loop, and what may take long in a thread, on a connection of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from bridge_mcp.core.errors import StoreError
from bridge_mcp.stores.sql.session import Row
from bridge_mcp.stores.sqlite.guard import Guard
from bridge_mcp.stores.sqlite.session import Session, connect

__all__ = ["SqliteReads"]

T = TypeVar("T")


class SqliteReads:
    """See `stores.sql.session.Reads`. Connections for long reads are opened as needed, and kept for the next one."""

    def __init__(self, path: Path, session: Session, guard: Guard | None = None) -> None:
        self._path = path
        self._session = session
        self._guard = guard
        self._idle: deque[Session] = deque()
        self._running: set[asyncio.Future[Any]] = set()
        self._closed = False

    async def short(self, read: Callable[[Session], T]) -> T:
        """On the event loop: there is no way to wait for a file that is shorter than the read itself."""
        return read(self._session)

    async def rows(self, statement: str, /, **values: object) -> list[Row]:
        """On the event loop."""
        return self._session.rows(statement, **values)

    async def row(self, statement: str, /, **values: object) -> Row | None:
        """On the event loop."""
        return self._session.row(statement, **values)

    async def value(self, statement: str, /, **values: object) -> Any:
        """On the event loop."""
        return self._session.value(statement, **values)

    async def long(self, read: Callable[[Session], T]) -> T:
        """What `read` finds; it runs in a worker thread, and on its own if the caller is cancelled.

        Raises:
            StoreError: the store is closed, or SQLite cannot do it.
        """
        if self._closed:
            raise StoreError(f"The store {self._path} is closed.", fix="Open it again.")
        running = asyncio.get_running_loop().run_in_executor(None, self._read, read)
        self._running.add(running)
        try:
            return await asyncio.shield(running)
        finally:
            running.add_done_callback(self._running.discard)

    def _read(self, read: Callable[[Session], T]) -> T:
        try:
            session = self._idle.pop()
        except IndexError:
            session = connect(self._path, reading=True, guard=self._guard)
        try:
            return read(session)
        finally:
            if self._closed:
                session.close()
            else:
                self._idle.append(session)

    async def close(self) -> None:
        """Let the reads under way end, then close what is open."""
        self._closed = True
        if self._running:
            await asyncio.wait(self._running)
        while self._idle:
            self._idle.pop().close()
        self._session.close()
