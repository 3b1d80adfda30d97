"""A wake-up call that may be given any number of times before it is heard."""

from __future__ import annotations

import anyio

__all__ = ["Signal"]


class Signal:
    """Set it from anywhere in the loop; one waiter takes it."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    @property
    def given(self) -> bool:
        """Whether it was set, and not heard yet."""
        return self._event.is_set()

    def set(self) -> None:
        self._event.set()

    def clear(self) -> None:
        """Take it as heard."""
        if self._event.is_set():
            self._event = anyio.Event()

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it was set since the last wait; False when `timeout_s` ran out first."""
        if not self._event.is_set():
            if timeout_s is None:
                await self._event.wait()
            else:
                with anyio.move_on_after(timeout_s):
                    await self._event.wait()
        heard = self._event.is_set()
        if heard:
            self._event = anyio.Event()
        return heard
