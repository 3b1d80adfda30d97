"""The dispatcher of one machine: this process searches for what is due, and drives it, the longest due first."""

from __future__ import annotations

import time
from collections.abc import Mapping

import anyio
import anyio.abc

from bridge_mcp.core.backoff import Backoff
from bridge_mcp.core.errors import StoreError
from bridge_mcp.engine.supervision import TaskSupervisor, Troubles
from bridge_mcp.ports import Agenda, Clock, Drives
from bridge_mcp.wakeup import Signal

__all__ = ["Scheduler"]

MAX_WAITING = 10_000
"""Waiting conversations that are looked at once more when tools have changed."""

LOOK_AGAIN_S = 5.0
"""No wait is longer, though nothing is due before: clocks jump, and machines sleep."""

SEARCHING = "Looking for conversations with something to do"


class Scheduler:
    """See `ports.Dispatcher`, for one process per store: nothing but its memory says what is driven."""

    alone = True

    def __init__(self, agenda: Agenda, clock: Clock, supervisor: TaskSupervisor | None = None) -> None:
        self._agenda = agenda
        self._clock = clock
        self._supervisor = supervisor or TaskSupervisor(Troubles())
        self._search = Backoff()
        self._paused: dict[str, float] = {}
        """Conversations whose last drive failed, and until when they pause (monotonic)."""
        self._begun: set[str] = set()
        """Conversations that are about to be driven, or are."""
        self._unsure: dict[str, None] = {}
        """Conversations that wait, and are to be looked at once more, since what their calls depend on has changed."""
        self._changed = True
        """Whether these are still to be found: a new engine looks at all that waits, by the config as it is now."""
        self._crowded = False
        """Whether the last search for due conversations may have left some for want of room."""
        self._wake = Signal()

    async def run(self, drives: Drives) -> None:
        """See `ports.Dispatcher`. Conversations that a dead engine left in the middle are due, so they come first."""
        async with anyio.create_task_group() as tasks:
            while True:
                await self._wake.wait(await self._look(drives, tasks))

    def changed(self, conversations: Mapping[str, int] | None) -> None:
        """See `ports.Dispatcher`."""
        self._wake.set()

    def freed(self) -> None:
        """See `ports.Dispatcher`."""
        if self._crowded or self._unsure:
            self._wake.set()

    def look_again(self) -> None:
        """See `ports.Dispatcher`."""
        self._changed = True
        self._wake.set()

    async def _look(self, drives: Drives, tasks: anyio.abc.TaskGroup) -> float:
        """Begin to drive what is due; how long until the next look. A search that fails ends no turn under way.

        Raises:
            StoreLost: there is no store to search.
        """
        try:
            looked, now = time.monotonic(), self._clock.now()
            await self._start_due(drives, tasks, now)
            pause = await self._pause(looked, now)
        except StoreError as exc:
            return self._supervisor.failed(SEARCHING, exc, self._search)
        self._search.reset()
        self._supervisor.troubles.clear(SEARCHING)
        return pause

    async def _start_due(self, drives: Drives, tasks: anyio.abc.TaskGroup, now: float) -> None:
        self._crowded = True  # whoever ends while this searches makes room that it does not know of
        if self._changed:
            self._changed = False  # before the search: what changes meanwhile is looked at in the next one
            self._unsure |= dict.fromkeys(await self._agenda.waiting(MAX_WAITING))
        busy = self._begun | drives.under_way
        # Conversations under way, or paused, are due as well: look far enough to see past them.
        ahead = len(busy) + len(self._paused)
        due = await self._agenda.due(now, drives.most - len(busy) + ahead) if len(busy) < drives.most else ()
        moment = time.monotonic()
        for conversation in (*due, *self._unsure):
            busy = self._begun | drives.under_way  # the search has taken time, and the fast path may have begun
            if conversation in busy or self._paused.get(conversation, 0.0) > moment:
                continue
            if len(busy) >= drives.most:
                break
            self._unsure.pop(conversation, None)
            self._begun.add(conversation)
            tasks.start_soon(self._drive, drives, conversation)
        self._crowded = len(self._begun | drives.under_way) >= drives.most

    async def _drive(self, drives: Drives, conversation: str) -> None:
        try:
            driven = await drives.drive(conversation)
        finally:
            self._begun.discard(conversation)
        if driven is None:
            return  # the fast path was quicker, and tells when it is done
        if driven.pause_s:
            self._paused[conversation] = time.monotonic() + driven.pause_s
        else:
            self._paused.pop(conversation, None)
        # Nobody else tells of what waits for room, came in since the last look, or is due at a time.
        if self._crowded or self._unsure or driven.until is not None or driven.pause_s:
            self._wake.set()

    async def _pause(self, looked: float, now: float) -> float:
        """How long nothing becomes due by itself since the look, as far as can be told."""
        moment = time.monotonic()
        ends = [LOOK_AGAIN_S, *(until - moment for until in self._paused.values() if until > looked)]
        following = await self._agenda.next_due(now)
        if following is not None:
            ends.append(following - self._clock.now())
        return max(0.0, min(ends))
