"""The one writer: a thread that takes all operations that wait, and commits them together.

A commit costs a disk write however much is in it, so operations that come while one is under way share the next. The
thread knows no tables; it hands each operation a session inside a transaction, and its outcome to whoever awaits it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

from bridge_mcp.core.errors import BadInput, Conflict, StoreError
from bridge_mcp.stores.sql.session import CommitUnknown, Contended, Session

__all__ = ["Changed", "Writer"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

Changed: TypeAlias = Mapping[str, int] | None
"""The conversations that a commit concerns, each with its next seq (0: nothing was appended); None: it may be any."""

NONE: Mapping[str, int] = MappingProxyType({})

POLL_S = 0.02
"""How often the thread looks for commits of other processes, while somebody watches: about 20 us each time."""

MAX_TRIES = 10
CONTENDED_S = 0.02
"""How often an operation is tried that others are in the way of, and the longest pause after the first time."""

MAX_BATCH = 256
"""Operations of one commit: more would make the first of them wait."""

PATIENT_S = 0.05
"""How long a patient operation waits for another one whose commit it can share."""


class Job:
    """One operation, and who awaits it. It may run more than once, but only its last run is committed."""

    __slots__ = ("changed", "error", "future", "keys", "operation", "result")

    def __init__(
        self,
        operation: Callable[[Session], Any],
        changed: Changed,
        keys: Sequence[tuple[str, str]],
        future: asyncio.Future[Any],
    ) -> None:
        self.operation = operation
        self.changed = changed
        self.keys = keys
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None

    def resolve(self) -> None:
        """Tell whoever awaits it, if they still do: a caller that was cancelled has its write none the less."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Writer:
    """Runs operations in order of their coming. The thread starts with the first one, in the event loop's company.

    `notify` is called on the event loop after each commit: of this writer with what it changed, of another process with
    None, but of those only while `watched`, and where `version` tells: a number that changes with others' commits.
    """

    def __init__(
        self, session: Session, notify: Callable[[Changed], None], version: Callable[[], int] | None = None
    ) -> None:
        self._session = session
        self._notify = notify
        self._version = version
        self.written_at = 0.0
        """When this process committed last (epoch seconds)."""
        self.failure = ""
        """Why its last commit failed, if it did."""
        self._queue: SimpleQueue[Sequence[Job]] = SimpleQueue()
        self._patient: list[Job] = []
        """Operations that wait for another one, in order of their coming."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[None] | None = None
        self._closing = False
        self._watched = False
        self._polled_at = 0.0
        self._data_version: int = 0

    async def execute(
        self,
        operation: Callable[[Session], T],
        changed: Changed = NONE,
        *,
        keys: Sequence[tuple[str, str]] = (),
        patient: bool = False,
    ) -> T:
        """Run an operation in a transaction, and return once it is committed.

        `keys` are those of entries that it will ask for, each with its conversation: they may be looked up ahead.

        A patient one leaves the disk to others: it goes with the next operation that is not, or after `PATIENT_S`.

        `operation` may raise `Conflict` or `BadInput` before it has written anything; it is run again if another one in
        its transaction fails, so it must leave no trace but in the session, and in `changed`, which it may fill in.
        Cancelling the caller does not stop it.

        Raises:
            StoreError: the store is closed, or the database cannot do it; nothing was written.
        """
        if self._closing:
            raise StoreError(f"The store {self._session.place} is closed.", fix="Open it again.")
        loop = self._started()
        future: asyncio.Future[T] = loop.create_future()
        self._patient.append(Job(operation, changed, keys, future))
        if not patient or len(self._patient) >= MAX_BATCH:
            self._hand_over()
        elif len(self._patient) == 1:
            loop.call_later(PATIENT_S, self._hand_over)
        return await future

    def _hand_over(self) -> None:
        """Give the thread all that wait, at once, so that they share a commit."""
        jobs, self._patient = self._patient, []
        if jobs:
            self._queue.put(jobs)

    def watch(self, watched: bool) -> None:
        """Look for commits of other processes from now on, or no longer."""
        if watched and not self._watched and not self._closing and self._version is not None:
            self._watched = True
            self._started()
            self._queue.put(())
        elif not watched:
            self._watched = False

    async def close(self) -> None:
        """Finish what was handed over, end the thread, close its connection."""
        self._closing = True
        if self._loop is None:
            self._session.close()
            self._loop = asyncio.get_running_loop()
            return
        if self._ended is not None:
            self._hand_over()
            self._queue.put(())
            # The thread ends in any case; whoever is cancelled here just does not see it.
            await asyncio.shield(self._ended)

    def _started(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
            self._ended = loop.create_future()
            threading.Thread(target=self._run, name="bridge-mcp-store", daemon=True).start()
        if self._loop is not loop:
            raise StoreError(
                f"The store {self._session.place} belongs to another event loop.", fix="Open it in this one."
            )
        return loop

    # -- on the thread ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not (self._closing and self._queue.empty()):
            jobs = self._next_batch()
            if jobs:
                self._commit(jobs)
                if not self._call_on_loop(self._resolve, jobs):
                    break
            if self._watched and time.monotonic() - self._polled_at >= POLL_S and not self._poll_commits():
                break
        try:
            self._session.close()
        finally:
            self._call_on_loop(self._end)

    def _next_batch(self) -> list[Job]:
        """All that wait; an empty list when it is time to look for others' commits, or to end."""
        try:
            jobs = list(self._queue.get(timeout=POLL_S if self._watched else None))
        except Empty:
            return []
        while jobs and len(jobs) < MAX_BATCH:
            try:
                jobs += self._queue.get_nowait()
            except Empty:
                break
        return jobs

    def _commit(self, jobs: Sequence[Job], tries: int = 1) -> bool:
        """Commit these together; if one breaks the transaction, each in its own, so that only that one fails.

        Returns whether the store could be reached.
        """
        begun = False
        try:
            names = sorted({name for job in jobs for name in job.changed or NONE})
            self._session.begin(names, [key for job in jobs for key in job.keys])
            begun = True
            for job in jobs:
                self._run_job(job)
            self._session.commit(changed_by(jobs))
            self.written_at, self.failure = time.time(), ""
        except Exception as exc:  # whatever it is, it is the caller's, as it would be of a plain call
            if begun:
                self._session.roll_back()
            reached = begun or isinstance(exc, Contended) or not isinstance(exc, StoreError)
            if len(jobs) > 1 and reached and not isinstance(exc, CommitUnknown):
                return self._commit_each(jobs)
            if isinstance(exc, Contended) and tries < MAX_TRIES:
                time.sleep(random.uniform(0, CONTENDED_S * tries))
                return self._commit(jobs, tries + 1)
            self.failure = str(exc) if isinstance(exc, StoreError) else self.failure
            for job in jobs:
                job.error = exc
            return reached
        return True

    def _commit_each(self, jobs: Sequence[Job]) -> bool:
        """Commit each of these in a transaction of its own, as long as the store can be reached."""
        for number, job in enumerate(jobs):
            if not self._commit([job]):
                # Each of the others would wait as long for the same, and whoever comes next for all of them.
                for other in jobs[number + 1 :]:
                    other.error = job.error
                return False
        return True

    def _run_job(self, job: Job) -> None:
        before = self._session.changes
        job.error = None
        try:
            job.result = job.operation(self._session)
        except (Conflict, BadInput) as exc:
            if self._session.changes != before:
                raise
            job.error = exc

    def _poll_commits(self) -> bool:
        """Notice whether others have committed; False when nobody is there any more to be told."""
        self._polled_at = time.monotonic()
        try:
            version = -1 if self._version is None else self._version()
        except StoreError:
            # Whoever is told will read, and meet the error where it can be reported.
            version = -1
        if version == self._data_version >= 0:
            return True
        self._data_version = version
        return self._call_on_loop(self._notify, None)

    def _call_on_loop(self, call: Callable[..., None], *args: object) -> bool:
        """Have the event loop do something; False when it is closed, and nobody waits any more."""
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:
            return False
        return True

    # -- on the event loop ------------------------------------------------------------------------------------

    def _resolve(self, jobs: Sequence[Job]) -> None:
        changed = changed_by(jobs)
        if changed is None or changed:
            self._notify(changed)
        for job in jobs:
            job.resolve()

    def _end(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)


def changed_by(jobs: Sequence[Job]) -> dict[str, int] | None:
    """What those of these that did not fail have changed, together."""
    changed: dict[str, int] = {}
    for job in jobs:
        if job.error is None:
            if job.changed is None:
                return None
            for conversation, head in job.changed.items():
                changed[conversation] = max(head, changed.get(conversation, 0))
    return changed
