"""A job under way in this process, the queues that jobs wait in, and news for whoever waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio

__all__ = ["ADVANCE", "MAX_DEATHS", "Endings", "Notice", "Work", "pause_after", "queue_of"]

ADVANCE = "advance"
"""The queue that every worker works on."""


MAX_DEATHS = 4
"""So many workers in a row die with a conversation that goes no further until its turn is ended."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 60.0, 3600.0


def pause_after(deaths: int) -> float:
    """How long a conversation is left alone that ends its workers though its turn was ended."""
    return min(FIRST_PAUSE_S * 2.0 ** min(deaths - MAX_DEATHS - 1, 20), LONGEST_PAUSE_S)


def queue_of(server: str) -> str:
    """The queue of the conversations whose next call is of a tool server that one worker runs for all."""
    return f"server:{server}"


class Notice:
    """Any number of waiters for something that happens again and again. Get the event before looking."""

    def __init__(self) -> None:
        self.next = anyio.Event()

    def give(self) -> None:
        """It happened."""
        given, self.next = self.next, anyio.Event()
        given.set()


@dataclass(eq=False)
class Work:
    """A job under way here."""

    job: int
    conversation: str
    worker: int
    """As which worker this process has the job."""
    deaths: int = 0
    """How many workers in a row have died with it while its conversation went no further."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    pausing: bool = False
    """It failed, and waits: it needs no room."""
    queue: str = ADVANCE
    """Where it goes when it is handed back."""
    done: bool | None = None
    """Whether its job is ended; None: nobody has looked."""

    @property
    def obituary(self) -> str:
        """What became of those that drove it before."""
        return f"{self.deaths} workers in a row died while they drove {self.conversation}, which went no further"


class Endings:
    """Ends jobs: those that come while some are being ended are ended together."""

    def __init__(self, ask: Callable[..., Awaitable[list[dict[str, Any]]]]) -> None:
        """`ask` gives the rows of a named statement."""
        self._ask = ask
        self._waiting: list[Work] = []
        self._turn = anyio.Lock()

    async def end(self, work: Work) -> bool:
        """End a job, if it is still this worker's; False where it is, and there is something to do.

        What `ask` raises may be tried again.
        """
        work.done = None
        self._waiting.append(work)
        try:
            async with self._turn:
                if work.done is None:
                    await self._end_all([*self._waiting])
        finally:
            # Whoever was cancelled hands the job back: another worker may have it by the time that these are ended.
            if work in self._waiting:
                self._waiting.remove(work)
        return bool(work.done)

    async def _end_all(self, ending: list[Work]) -> None:
        jobs, conversations = [each.job for each in ending], [each.conversation for each in ending]
        workers = [each.worker for each in ending]
        found = await self._ask("finish", jobs=jobs, conversations=conversations, workers=workers)
        done = {row["job"]: bool(row["done"]) for row in found}
        for each in ending:
            each.done = done[each.job]
        self._waiting = [each for each in self._waiting if each not in ending]
