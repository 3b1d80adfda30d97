"""A wake-up signal that may be set any number of times before it is awaited (an auto-reset event)."""

from __future__ import annotations

import asyncio

__all__ = ["Signal"]


class Signal:
    """Set it from anywhere in the loop; one waiter takes it. Nothing is made for a call that nobody waits for."""

    def __init__(self) -> None:
        self.given = False
        """Whether it was set, and not taken yet."""
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Wake the waiter, or the next one."""
        self.given = True
        self._wake()

    def clear(self) -> None:
        """Take it."""
        self.given = False

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it was set since the last wait; False when `timeout_s` ran out first."""
        if not self.given:
            await self._wait(timeout_s)
        given, self.given = self.given, False
        return given

    async def _wait(self, timeout_s: float | None) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = None if timeout_s is None else loop.call_later(timeout_s, self._wake)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
