"""The conversations that this process works on: one worker each, whichever dispatcher handed it out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, KeysView
from contextlib import closing
from typing import Any

import anyio
import anyio.abc

from bridge_mcp.core.errors import StoreError
from bridge_mcp.engine.outbound.chat_activity import ChatActivity
from bridge_mcp.engine.supervision import Pauses, TaskSupervisor, Troubles
from bridge_mcp.engine.turns.conversation_worker import ConversationWorker
from bridge_mcp.engine.turns.deps import Deps
from bridge_mcp.engine.turns.giving_up import MAX_FAILURES, give_up, is_own_failure
from bridge_mcp.ports import Dispatcher, Driven

__all__ = ["ConversationDrives"]

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""After a worker failed unexpectedly (a full disk, a broken log), that conversation pauses, twice as long each time."""


class ConversationDrives:
    """See `ports.Drives`; and the conversations that a fast path has to itself."""

    def __init__(
        self,
        deps: Deps,
        most: int,
        dispatcher: Dispatcher,
        presence: ChatActivity | None = None,
        supervisor: TaskSupervisor | None = None,
    ) -> None:
        self.most = most
        self._deps = deps
        self._dispatcher = dispatcher
        self._presence = presence
        self._workers: dict[str, ConversationWorker] = {}
        self._pauses = Pauses(
            supervisor or TaskSupervisor(Troubles()), "Conversation {}", FIRST_PAUSE_S, LONGEST_PAUSE_S
        )
        self._failures: Counter[str] = Counter()
        """By conversation: how often in a row it failed by its own."""
        self._tasks: anyio.abc.TaskGroup | None = None

    @property
    def open(self) -> bool:
        """Whether a conversation can be entered: none can where other processes drive too."""
        return self._tasks is not None and self._dispatcher.alone

    @property
    def under_way(self) -> KeysView[str]:
        """See `ports.Drives`."""
        return self._workers.keys()

    async def run(self) -> None:
        """Until cancelled: have the dispatcher hand out conversations, and tell workers and it what is committed."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            tasks.start_soon(self._follow)
            await self._dispatcher.run(self)

    async def _follow(self) -> None:
        """Pass on what changed: to the worker that it concerns, and to the dispatcher."""
        with closing(self._deps.store.agenda.watch()) as changes:
            self._dispatcher.changed(None)
            while True:
                changed = await changes.wait()
                for conversation, worker in self._workers.items():
                    if changed is None or conversation in changed:
                        worker.note_head(None if changed is None else changed[conversation])
                if changed is None or not changed.keys() <= self._workers.keys():
                    self._dispatcher.changed(changed)

    def look_again(self) -> None:
        """Have every conversation that waits looked at once more: tools came, went or changed."""
        for worker in self._workers.values():
            worker.signal.set()
        self._dispatcher.look_again()

    # -- for whoever has a conversation to itself --------------------------------------------------------------

    def enter(self, conversation: str) -> ConversationWorker | None:
        """Have a conversation to oneself, until `leave` or `drive_on`; None if it is not free, or there is no room."""
        if not self.open or conversation in self._workers or len(self._workers) >= self.most:
            return None
        worker = self._workers[conversation] = ConversationWorker(conversation, self._deps)
        return worker

    def leave(self, worker: ConversationWorker) -> None:
        """Give a conversation back in which nothing is left to do."""
        del self._workers[worker.conversation]
        self._dispatcher.freed()

    async def drive_on(self, worker: ConversationWorker) -> None:
        """Drive a conversation that was entered, and give it back."""
        driven = await self._drive(worker)
        self._dispatcher.freed()
        if driven.until is not None or driven.pause_s:
            self._dispatcher.changed(None)

    def start(self, work: Callable[..., Coroutine[Any, Any, object]], *args: object) -> None:
        """Begin something beside the drives, which ends with them."""
        assert self._tasks is not None, "only between `enter` and `leave`"
        self._tasks.start_soon(work, *args)

    # -- drives ------------------------------------------------------------------------------------------------

    async def drive(self, conversation: str) -> Driven | None:
        """See `ports.Drives`."""
        if conversation in self._workers:
            return None
        worker = self._workers[conversation] = ConversationWorker(conversation, self._deps)
        return await self._drive(worker)

    async def give_up(self, conversation: str, why: str) -> None:
        """See `ports.Drives`."""
        await give_up(self._deps, conversation, RuntimeError(why))

    async def _drive(self, worker: ConversationWorker) -> Driven:
        conversation, pause_s = worker.conversation, 0.0
        if self._presence is not None:
            self._presence.begin(conversation)
        try:
            await worker.run()
            self._works(conversation)
        except Exception as exc:
            pause_s = await self._failed(conversation, exc)
        finally:
            del self._workers[conversation]
            if self._presence is not None:
                self._presence.end(conversation)
        return Driven(0.0 if worker.signal.given else worker.until, pause_s, worker.server)

    def _works(self, conversation: str) -> None:
        """It was driven to where there is nothing to do."""
        self._pauses.succeeded(conversation)
        self._failures.pop(conversation, None)

    async def _failed(self, conversation: str, exc: Exception) -> float:
        """How long a conversation is to pause; one that fails by its own again and again has its turn ended instead.

        Raises:
            StoreLost: there is no store any more.
        """
        pause_s = self._pauses.failed(conversation, exc)
        self._failures[conversation] += is_own_failure(exc)
        if self._failures[conversation] < MAX_FAILURES:
            return pause_s
        try:
            await give_up(self._deps, conversation, exc)
        except StoreError as failed:
            return self._pauses.failed(conversation, failed)
        self._works(conversation)
        return 0.0
