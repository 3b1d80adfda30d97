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
    news: anyio.Event = field(default_factory=anyio.Event)
    """That it may be held."""
    scope: anyio.CancelScope | None = None
    """What is done while it is held."""

    def end(self) -> None:
        """It was lost."""
        if self.scope is not None:
            self.scope.cancel()


class Fences(Mapping[str, int]):
    """The fencing numbers of the leases that are held now, by name; none as soon as that is not sure."""

    def __init__(self, wanted: Mapping[str, Lease], is_sure: Callable[[], bool]) -> None:
        self._wanted = wanted
        self._is_sure = is_sure

    def __getitem__(self, name: str) -> int:
        fence = self._wanted[name].fence
        if fence is None or not self._is_sure():
            raise KeyError(name)
        return fence

    def __iter__(self) -> Iterator[str]:
        held = self._is_sure()
        return iter([name for name, lease in list(self._wanted.items()) if held and lease.fence is not None])

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
        self._left: set[str] = set()
        """What is still held, and wanted no longer."""
        self.fences = Fences(self._wanted, lambda: session.is_sure)
        session.lived.append(self)

    async def hold(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """See `ports.Leases`. A name may be wanted once at a time."""
        if name in self._wanted:
            raise ValueError(f"{name} is wanted twice")
        lease = self._wanted[name] = Lease()
        self._session.poke()
        try:
            while True:
                while lease.fence is None:
                    await lease.news.wait()
                    lease.news = anyio.Event()
                with anyio.CancelScope() as lease.scope:
                    await run()
                    return
                lease.scope = None
        finally:
            del self._wanted[name]
            if lease.fence is not None:
                self._left.add(name)
            self._session.poke()

    # -- in the session's thread ---------------------------------------------------------------------------------

    async def beat(self, session: psycopg.AsyncConnection) -> None:
        """See `Lived`: give back what is wanted no longer, and try for what is not held."""
        if not self._may_hold():
            self._left |= {name for name, lease in list(self._wanted.items()) if lease.fence is not None}
            self._give_up()
        for name in tuple(self._left):
            await session.execute(statements()["leave_lease"], {"name": name})
            self._left.discard(name)
        for name, lease in list(self._wanted.items()):
            if lease.fence is None and self._may_hold():
                answer = await session.execute(statements()["take_lease"], {"name": name, "holder": self._holder})
                row = await answer.fetchone()
                if row is not None and row[0] is not None:
                    lease.fence = row[0]
                    if self._wanted.get(name) is not lease:
                        self._left.add(name)  # it was given back while it was taken
                    self._session.tell(lease.news.set)
                    logger.info("this process holds %s now", name)

    def lost(self) -> None:
        """See `Lived`."""
        self._left.clear()
        self._give_up()

    def _give_up(self) -> None:
        held = [(name, lease) for name, lease in list(self._wanted.items()) if lease.fence is not None]
        for _, lease in held:
            lease.fence = None
            self._session.tell(lease.end)
        if held:
            logger.warning("this process holds no longer: %s", ", ".join(sorted(name for name, _ in held)))
