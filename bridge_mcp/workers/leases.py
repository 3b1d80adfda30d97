"""Leases as session advisory locks of Postgres: free once the session is gone, however it went (`session`).

Whatever a holder does before it knows that it is none any more is fenced: each lease has a number that grows whenever
it changes hands, and the transaction that moves a channel's offset looks at it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

import anyio
import psycopg

from bridge_mcp.workers.session import DirectSession
from bridge_mcp.workers.statements import statements

__all__ = ["PostgresLeases"]

logger = logging.getLogger(__name__)


@dataclass
class Lease:
    """One lease that this process wants."""

    fence: int | None = None
    """The fencing number while it is held."""
    got: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope | None = None
    """What is done while it is held."""


class Fences(Mapping[str, int]):
    """The fencing numbers of the leases that are held now, by name."""

    def __init__(self, wanted: Mapping[str, Lease]) -> None:
        self._wanted = wanted

    def __getitem__(self, name: str) -> int:
        fence = self._wanted[name].fence
        if fence is None:
            raise KeyError(name)
        return fence

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, lease in self._wanted.items() if lease.fence is not None])

    def __len__(self) -> int:
        return sum(1 for _ in self)


class PostgresLeases:
    """See `ports.Leases`. The session must run beside `hold`."""

    def __init__(self, session: DirectSession, holder: str, may_hold: Callable[[], bool] = lambda: True) -> None:
        """`holder` names this process for people; `may_hold` says whether it may hold anything now."""
        self._session = session
        self._holder = holder
        self._may_hold = may_hold
        self._wanted: dict[str, Lease] = {}
        self._left: list[str] = []
        """What is still held, and wanted no longer."""
        self.fences = Fences(self._wanted)
        session.lived.append(self)

    async def hold(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """See `ports.Leases`. A name may be wanted once at a time."""
        if name in self._wanted:
            raise ValueError(f"{name} is wanted twice")
        lease = self._wanted[name] = Lease()
        self._session.poke()
        try:
            while True:
                await lease.got.wait()
                if lease.fence is None:
                    continue  # it was lost again before this task had its turn
                with anyio.CancelScope() as lease.scope:
                    await run()
                    return
                lease.scope = None
        finally:
            del self._wanted[name]
            if lease.fence is not None:
                self._left.append(name)
            self._session.poke()

    async def beat(self, session: psycopg.AsyncConnection) -> None:
        """See `Lived`: give back what is wanted no longer, and try for what is not held."""
        if not self._may_hold():
            self._left += [name for name in self.fences if name not in self._left]
            self._give_up()
        while self._left:
            await session.execute(statements()["leave_lease"], {"name": self._left[-1]})
            self._left.pop()
        for name, lease in list(self._wanted.items()):
            if lease.fence is None and self._may_hold():
                answer = await session.execute(statements()["take_lease"], {"name": name, "holder": self._holder})
                row = await answer.fetchone()
                if row is not None and row[0] is not None:
                    lease.fence = row[0]
                    lease.got.set()
                    logger.info("this process holds %s now", name)

    def lost(self) -> None:
        """See `Lived`."""
        self._left.clear()
        self._give_up()

    def _give_up(self) -> None:
        held = list(self.fences)
        for lease in self._wanted.values():
            if lease.fence is not None:
                lease.fence, lease.got = None, anyio.Event()
                if lease.scope is not None:
                    lease.scope.cancel()
        if held:
            logger.warning("this process holds no longer: %s", ", ".join(sorted(held)))
