"""Leases as session advisory locks of Postgres: free once the session is gone, however it went (`session`).

Whatever a holder does before it knows that it is none any more is fenced: each lease has a number that grows whenever
it changes hands, and the transaction that moves a channel's offset looks at it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

import anyio

from bridge_mcp.workers.session import Answers, Asked, DirectSession

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
        self._tried: dict[str, Lease] = {}
        """What this tick tries for."""
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

    def asks(self) -> Asked:
        """See `Lived`: give back what is wanted no longer, and try for what is not held."""
        asked: dict[str, dict[str, object]] = {}
        may_hold = self._may_hold()
        if not may_hold:
            self._left |= {name for name, lease in list(self._wanted.items()) if lease.fence is not None}
            self._give_up()
        if self._left:
            asked["leave_leases"] = {"left": list(self._left)}
        self._tried = {name: lease for name, lease in list(self._wanted.items()) if may_hold and lease.fence is None}
        if self._tried:
            asked["take_leases"] = {"wanted": list(self._tried), "holder": self._holder}
        return asked

    def told(self, answers: Answers) -> None:
        """See `Lived`."""
        self._left.difference_update(row["name"] for row in answers.get("leave_leases", ()))
        for name, fence in ((row["name"], row["fence"]) for row in answers.get("take_leases", ())):
            if fence is None:
                continue
            lease = self._tried[name]
            lease.fence = fence
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
