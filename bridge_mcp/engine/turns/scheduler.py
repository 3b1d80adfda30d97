"""Which conversation is driven when: one worker per conversation, many at once, the longest due first."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import closing
from typing import Any

import anyio
import anyio.abc

from bridge_mcp.core.backoff import Backoff
from bridge_mcp.core.errors import StoreError
from bridge_mcp.engine.outbound.chat_activity import ChatActivity
from bridge_mcp.engine.supervision import Pauses, TaskSupervisor, Troubles
from bridge_mcp.engine.turns.conversation_worker import ConversationWorker
from bridge_mcp.engine.turns.deps import Deps
from bridge_mcp.engine.turns.giving_up import MAX_FAILURES, give_up, is_own_failure
from bridge_mcp.engine.wakeup import Signal

__all__ = ["Scheduler"]

MAX_WAITING = 10_000
"""Waiting conversations that are looked at once more when tools have changed."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""After a worker failed unexpectedly (a full disk, a broken log), that conversation pauses, twice as long each time."""

LOOK_AGAIN_S = 5.0
"""No wait is longer, though nothing is due before: clocks jump, and machines sleep."""

SEARCHING = "Looking for conversations with something to do"


class Scheduler:
    """Drives every conversation that has something to do, at most `max_turns` at once."""

    def __init__(
        self,
        deps: Deps,
        max_turns: int,
        presence: ChatActivity | None = None,
        supervisor: TaskSupervisor | None = None,
    ) -> None:
        self._deps = deps
        self._max_turns = max_turns
        self._presence = presence
        self._supervisor = supervisor or TaskSupervisor(Troubles())
        self._search = Backoff()
        self._workers: dict[str, ConversationWorker] = {}
        self._pauses = Pauses(self._supervisor, "Conversation {}", FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._failures: Counter[str] = Counter()
        """By conversation: how often in a row it failed by its own."""
        self._unsure: dict[str, None] = {}
        """Conversations that wait, and are to be looked at once more, since what their calls depend on has changed."""
        self._changed = True
        """Whether these are still to be found: a new engine looks at all that waits, by the config as it is now."""
        self._crowded = False
        """Whether the last search for due conversations may have left some for want of room."""
        self._wake = Signal()
        self._tasks: anyio.abc.TaskGroup | None = None

    @property
    def running(self) -> bool:
        """Whether anything can be begun."""
        return self._tasks is not None

    def enter(self, conversation: str) -> ConversationWorker | None:
        """Have a conversation to oneself, until `leave` or `worker`; None if it is driven already, or too many are."""
        if self._tasks is None or conversation in self._workers or len(self._workers) >= self._max_turns:
            return None
        worker = self._workers[conversation] = ConversationWorker(conversation, self._deps)
        return worker

    def leave(self, worker: ConversationWorker) -> None:
        """Give a conversation back in which nothing is left to do."""
        del self._workers[worker.conversation]
        if self._crowded:
            self._wake.set()

    def start(self, work: Callable[..., Coroutine[Any, Any, object]], *args: object) -> None:
        """Begin something beside the drives, which ends with them."""
        assert self._tasks is not None, "only between `enter` and `leave`"
        self._tasks.start_soon(work, *args)

    async def run(self) -> None:
        """Until cancelled. Conversations that a dead engine left in the middle are due, so they come first."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            tasks.start_soon(self._follow)
            while True:
                await self._wake.wait(await self._look(tasks))

    async def _look(self, tasks: anyio.abc.TaskGroup) -> float:
        """Begin to worker what is due; how long until the next look. A search that fails ends no turn under way.

        Raises:
            StoreLost: there is no store to search.
        """
        try:
            looked, now = time.monotonic(), self._deps.clock.now()
            await self._start_due(tasks, now)
            pause = await self._pause(looked, now)
        except StoreError as exc:
            return self._supervisor.failed(SEARCHING, exc, self._search)
        self._search.reset()
        self._supervisor.troubles.clear(SEARCHING)
        return pause

    def look_again(self) -> None:
        """Have every conversation that waits looked at once more: tools came, went or changed."""
        self._changed = True
        for worker in self._workers.values():
            worker.signal.set()
        self._wake.set()

    async def _follow(self) -> None:
        """Pass on what changed: to the worker that it concerns, and to the search for due conversations."""
        with closing(self._deps.store.agenda.watch()) as changes:
            self._wake.set()
            while True:
                changed = await changes.wait()
                for conversation, worker in self._workers.items():
                    if changed is None or conversation in changed:
                        worker.note_head(None if changed is None else changed[conversation])
                if changed is None or not changed.keys() <= self._workers.keys():
                    self._wake.set()

    async def _start_due(self, tasks: anyio.abc.TaskGroup, now: float) -> None:
        self._crowded = True  # whoever ends while this searches makes room that it does not know of
        if self._changed:
            self._changed = False  # before the search: what changes meanwhile is looked at in the next one
            self._unsure |= dict.fromkeys(await self._deps.store.agenda.waiting(MAX_WAITING))
        free = self._max_turns - len(self._workers)
        # Conversations under way, or paused, are due as well: look far enough to see past them.
        ahead = len(self._workers) + len(self._pauses)
        due = await self._deps.store.agenda.due(now, free + ahead) if free > 0 else ()
        paused = self._pauses.at(time.monotonic())
        for conversation in (*due, *self._unsure):
            if conversation in self._workers or conversation in paused:
                continue
            if len(self._workers) >= self._max_turns:
                break
            self._unsure.pop(conversation, None)
            worker = self._workers[conversation] = ConversationWorker(conversation, self._deps)
            tasks.start_soon(self.work_on, worker)
        self._crowded = len(self._workers) >= self._max_turns

    async def work_on(self, worker: ConversationWorker) -> None:
        """Drive a conversation that was entered, and leave it."""
        if self._presence is not None:
            self._presence.begin(worker.conversation)
        try:
            await worker.run()
            self._works(worker.conversation)
        except Exception as exc:
            await self._failed(worker.conversation, exc)
        finally:
            del self._workers[worker.conversation]
            if self._presence is not None:
                self._presence.end(worker.conversation)
            # Nobody else tells of what waits for room, came in since the last look, or is due at a time.
            later = worker.until is not None or worker.conversation in self._pauses
            if self._crowded or self._unsure or worker.signal.given or later:
                self._wake.set()

    def _works(self, conversation: str) -> None:
        """It was driven to where there is nothing to do."""
        self._pauses.worked(conversation)
        self._failures.pop(conversation, None)

    async def _failed(self, conversation: str, exc: Exception) -> None:
        """Have a conversation pause; or, where it fails by its own again and again, end its turn.

        Raises:
            StoreLost: there is no store any more.
        """
        self._pauses.failed(conversation, exc)
        self._failures[conversation] += is_own_failure(exc)
        if self._failures[conversation] < MAX_FAILURES:
            return
        try:
            await give_up(self._deps, conversation, exc)
        except StoreError as failed:
            self._pauses.failed(conversation, failed)
            return
        self._works(conversation)

    async def _pause(self, looked: float, now: float) -> float:
        """How long nothing becomes due by itself since the look, as far as can be told."""
        ends = [LOOK_AGAIN_S, *self._pauses.left(looked)]
        following = await self._deps.store.agenda.next_due(now)
        if following is not None:
            ends.append(following - self._deps.clock.now())
        return max(0.0, min(ends))
