"""A job under way in this process, the queues that jobs wait in, and news for whoever waits."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
from procrastinate.jobs import Job

__all__ = ["ADVANCE", "Notice", "Work", "queue_of"]

ADVANCE = "advance"
"""The queue that every worker works on."""


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

    job: Job
    conversation: str
    scope: anyio.CancelScope
    pausing: bool = False
    """It failed, and waits: it needs no room."""
    queue: str = ADVANCE
    """Where it goes when it is handed back."""
