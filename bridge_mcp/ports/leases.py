"""Port of leases: what exactly one process does at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

__all__ = ["Leases"]


class Leases(Protocol):
    """Rights that one process holds at a time, by name.

    A process that is gone, stopped or cut off loses its leases, and another one has them within two seconds. It is told
    as soon as it can be; what it writes in between is void where that matters (`ChannelState`: the offset is fenced).
    """

    async def hold(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Do something while this process holds that lease, again each time it gets it; returns when `run` does.

        `run` is cancelled when the lease is lost. Cancelling `hold` gives the lease back.
        """
        ...
