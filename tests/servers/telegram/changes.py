"""Waiting for a change of the state, from any event loop of any thread.

Knows nothing of what changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from time import monotonic

__all__ = ["Changes"]


class Changes:
    """Tells everybody who waits that something changed; they look for themselves whether it is what they wait for."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """Held by whoever reads or changes the state."""
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def tell(self) -> None:
        """Something changed. May be called from any thread."""
        with self.lock:
            waiting = list(self._waiting)
        for loop, event in waiting:
            # A loop may have been closed since its waiter was cancelled.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(event.set)

    async def until(self, holds: Callable[[], bool], timeout_s: float | None) -> bool:
        """Wait until something holds; False when it did not within this many seconds (None: wait for ever)."""
        deadline = None if timeout_s is None else monotonic() + timeout_s
        entry = (asyncio.get_running_loop(), asyncio.Event())
        with self.lock:
            self._waiting.add(entry)
        try:
            while True:
                with self.lock:
                    entry[1].clear()
                    if holds():
                        return True
                left = None if deadline is None else deadline - monotonic()
                if left is not None and left <= 0:
                    return False
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(entry[1].wait(), left)
        finally:
            with self.lock:
                self._waiting.discard(entry)
