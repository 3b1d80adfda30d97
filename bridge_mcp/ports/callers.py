"""Port: processes that run calls themselves, and whether they live."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from typing import Protocol

__all__ = ["Callers"]


class Callers(Protocol):
    """The processes that ask for calls which they run themselves: gates, hooks, channels of an agent."""

    def held(self) -> AbstractAsyncContextManager[str]:
        """A name for this process: for as long as this is entered, others see that it lives. Another one each time.

        Raises:
            StoreError: it cannot be told to others.
        """
        ...

    async def living(self, names: Collection[str]) -> frozenset[str]:
        """Which of these live. What is no name of a process does not.

        Raises:
            StoreError: it cannot be found out.
        """
        ...
