"""Reads beside the event loop: what may take long runs in a worker thread, on a connection that nobody else uses."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from bridge_mcp.core.errors import StoreError
from bridge_mcp.stores.sqlite.guard import Guard
from bridge_mcp.stores.sqlite.session import Session, connect

__all__ = ["MAX_INLINE_ROWS", "Readers"]

T = TypeVar("T")

MAX_INLINE_ROWS = 256
"""Rows from which on a read is long. Below, reading on the event loop (10 to 20 us for a row or two) costs less than
the way to a worker thread and back."""


class Readers:
    """Connections for long reads, opened as needed and kept for the next one."""

    def __init__(self, path: Path, guard: Guard | None = None) -> None:
        self._path = path
        self._guard = guard
        self._idle: deque[Session] = deque()
        self._running: set[asyncio.Future[Any]] = set()
        self._closed = False

    async def run(self, read: Callable[[Session], T]) -> T:
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
