"""Procrastinate as the dispatcher: a job `advance(conversation)` for each conversation that has something to do.

A job is made in the very transaction that makes its conversation due (a trigger, `stores/postgres/migrations`). Its
lock and its queueing lock are the conversation: at most one is under way, and at most one waits. Times are no jobs: a
job that is scheduled for later would hold up all newer ones of its lock. Every worker looks for conversations whose
time has come, and for jobs of workers that are gone, and makes fresh jobs for them; losing a job delays, and loses
nothing.

Several jobs are fetched and ended in one round trip (`bridge_fetch`, `bridge_finish`), and not by Procrastinate's
`Worker`: that one takes a notice that comes during a fetch for read, looks only every few seconds for what waited for a
lock, ends when one connection fails, and then waits for all that is under way. Procrastinate retries nothing: a step
that fails is an entry with a time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import anyio
import anyio.abc
import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException

from bridge_mcp.core.backoff import Backoff
from bridge_mcp.core.errors import StoreError
from bridge_mcp.ports import Drives
from bridge_mcp.stores.postgres.store import PostgresStore
from bridge_mcp.stores.postgres.workers import STOPPED_S
from bridge_mcp.workers.pool import jobs_pool
from bridge_mcp.workers.session import Answers, Asked, DirectSession, line
from bridge_mcp.workers.statements import statements
from bridge_mcp.workers.work import ADVANCE, MAX_DEATHS, Endings, Notice, Work, pause_after, queue_of

__all__ = ["JobDispatcher"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

CHANNEL = "procrastinate_any_queue_v1"
"""Where Postgres tells of jobs that were made (migration 0003)."""
SWEEP_S = 1.0
"""How often is looked for what nobody tells of, jobs among it: notices are hints."""
POLL_S = 5.0
"""How often jobs are looked for where sweeps do not succeed."""
RETRY_S = 1.0
"""The longest pause after a failure."""
THOROUGH = 5
"""Every so many sweeps look also at what is due and should have a job."""
SWEPT = 200
"""How many conversations one sweep makes jobs for."""
BEAT_S = 0.8
"""How often a worker writes that it lives: at every tick of its session."""
LOST_S = 4.0
"""A worker that gave no sign of life for so long gives up its drives: others are about to take them over."""
LOOK_S = 0.5
"""How often it looks, while there is none, whether something was begun meanwhile."""
STALE_S = 5.5
"""A worker that gave no sign of life for so long is taken for dead."""
MAX_WAITING = 10_000
"""Waiting conversations that are looked at once more when tools have changed."""
AT_ONCE, BETWEEN_S = 20, 0.2
"""So many of these get a job at a time, so that messages that come in need not wait for all of them."""
ANSWER_S = 5.0
"""A query that takes longer has failed."""
GOODBYE_S = 2.0
"""How long handing back may take when a process ends; whoever sweeps does it otherwise."""
FORGET_S = 3600.0
"""Rows of workers that are gone for so long are removed."""


class JobDispatcher:
    """See `ports.Dispatcher`. The session must run beside it."""

    alone = False

    def __init__(
        self,
        url: str,
        session: DirectSession,
        store: PostgresStore,
        may_drive: Callable[[], bool],
        shared: Callable[[], Mapping[str, bool]] = dict,
    ) -> None:
        """`url` reaches Postgres directly. `may_drive` says whether this worker begins anything now.

        `shared` names the tool servers that one worker runs for all, and says of each whether this one does: then it
        takes the jobs that wait for it, too.
        """
        self._shared = shared
        self._store = store
        self._may_drive = may_drive
        self._url = url
        self._app = App(connector=PsycopgConnector())
        self._session = session
        self._worker: int | None = None
        """This process in Procrastinate's list of workers."""
        self._unsure = False
        """Whether a job may have been fetched whose answer did not get here."""
        self._under_way: set[Work] = set()
        self._endings = Endings(self._ask_all)
        self._notice = Notice()
        """That there may be jobs, or room for them."""
        self._sweep_at = 0.0
        """When the next sweep is due (monotonic)."""
        self._sweep_now = anyio.Event()
        self._again = anyio.Event()
        self._again.set()  # a new process looks at all that waits, by the config as it is now
        self._alive = time.monotonic()
        self._beaten = 0.0
        """When the sign of life was written last (monotonic)."""
        self._stopping = False
        session.lived.append(self)

    # -- ports.Dispatcher --------------------------------------------------------------------------------------

    async def run(self, drives: Drives) -> None:
        """See `ports.Dispatcher`. What is cut off is handed back, so that another process has it at once."""
        pool = jobs_pool(self._url)
        await pool.open()
        await self._app.open_async(pool)
        try:
            async with anyio.create_task_group() as tasks:
                for lane in (self._sweep, self._watch, self._look_again):
                    tasks.start_soon(lane)
                with self._store.hearing(CHANNEL, self._notice.give):
                    await self._fetch(drives, tasks)
        finally:
            with anyio.CancelScope(shield=True):
                with anyio.move_on_after(GOODBYE_S):
                    if self._worker is not None:
                        await self._tried(self._app.job_manager.unregister_worker(self._worker))
                await pool.close(GOODBYE_S)  # never cut short: its tasks would stay, and the process with them

    def changed(self, conversations: Mapping[str, int] | None) -> None:
        """See `ports.Dispatcher`. What became due has a job, which is told of."""

    def freed(self) -> None:
        """See `ports.Dispatcher`."""
        self._notice.give()

    def look_again(self) -> None:
        """See `ports.Dispatcher`."""
        self._again.set()

    # -- for the command ---------------------------------------------------------------------------------------

    @property
    def under_way(self) -> tuple[str, ...]:
        """The conversations that are driven here."""
        return tuple(work.conversation for work in self._under_way)

    async def finish(self, within_s: float) -> tuple[str, ...]:
        """Begin nothing more, and wait for what is under way, at most so long; what is left, to be handed over."""
        self._stopping = True
        self._notice.give()
        with anyio.move_on_after(within_s):
            while self._under_way and not self._counts_as_dead:  # without Postgres no turn can end
                with anyio.move_on_after(LOOK_S):
                    await self._notice.next.wait()
        return self.under_way

    # -- Lived -------------------------------------------------------------------------------------------------

    def asks(self) -> Asked:
        """See `Lived`: the sign of life."""
        if self._worker is None or time.monotonic() - self._beaten <= BEAT_S:
            return {}
        return {"heartbeat": {"worker": self._worker}}

    def told(self, answers: Answers) -> None:
        """See `Lived`."""
        self._alive = time.monotonic()
        if answers:
            self._beaten = self._alive

    def lost(self) -> None:
        """See `Lived`: nothing yet; `_watch` sees whether it lasts."""
        self._beaten = 0.0

    # -- lanes -------------------------------------------------------------------------------------------------

    async def _fetch(self, drives: Drives, tasks: anyio.abc.TaskGroup) -> None:
        """Fetch jobs while there is room, and begin them."""
        backoff = Backoff(0.1, RETRY_S)
        while True:
            noticed = self._notice.next  # before the fetch: a notice that comes during it is for the next one
            try:
                if self._unsure and self._worker is not None:
                    await self._ask("hand_back_unknown", worker=self._worker, known=[*self._known], queue=ADVANCE)
                self._unsure = False
                while room := self._room(drives):
                    found = await self._next_jobs(room)
                    for work in found:
                        self._under_way.add(work)
                        tasks.start_soon(self._work, work, drives)
                    if len(found) < room:
                        break  # no more waited when it was looked; of one that came since a notice tells
                backoff.reset()
                pause = POLL_S
            except ConnectorException as exc:
                pause, self._unsure = backoff.next(), True
                logger.warning("jobs cannot be fetched: %s", line(exc))
            with anyio.move_on_after(pause):
                await noticed.wait()

    def _room(self, drives: Drives) -> int:
        """How many jobs may begin."""
        if self._stopping or not self._may_drive() or self._counts_as_dead:
            return 0
        return max(0, drives.most - sum(not work.pausing for work in self._under_way))

    @property
    def _counts_as_dead(self) -> bool:
        return time.monotonic() - self._alive >= LOST_S

    @property
    def _known(self) -> frozenset[int]:
        return frozenset(work.job for work in self._under_way)

    async def _next_jobs(self, most: int) -> list[Work]:
        manager = self._app.job_manager
        if self._worker is None:
            self._worker = await manager.register_worker()
        try:
            queues = [ADVANCE, *(queue_of(name) for name, here in self._shared().items() if here)]
            found = await self._ask_all("fetch", queues=queues, worker=self._worker, most=most)
            return [Work(each["job"], each["conversation"], self._worker, deaths=each["deaths"]) for each in found]
        except ConnectorException as exc:
            if isinstance(exc.__cause__, psycopg.errors.ForeignKeyViolation):
                self._worker = None  # it stood still for so long that its row was removed
            raise

    async def _sweep(self) -> None:
        """Make jobs for what has become due by itself, and for what workers have left behind."""
        sweeps, pause = 0, SWEEP_S
        while True:
            self._sweep_at, self._sweep_now = time.monotonic() + pause, anyio.Event()
            with anyio.move_on_after(pause):
                await self._sweep_now.wait()
            values: dict[str, Any] = {"stale_s": STALE_S, "thorough": sweeps % THOROUGH == 0, "limit": SWEPT}
            known = self._known
            try:
                found = await self._ask("sweep", **values, stopped_s=STOPPED_S, worker=self._worker)
                if values["thorough"] and self._may_drive():
                    queues = [ADVANCE, *map(queue_of, self._shared())]
                    await self._ask("take_from_unknown_queues", known=queues, queue=ADVANCE)
                if sweeps % 3600 == 0:
                    await self._app.job_manager.prune_stalled_workers(FORGET_S)
            except ConnectorException as exc:
                logger.warning("what has become due cannot be looked for: %s", line(exc))
                pause = SWEEP_S
                continue
            sweeps += 1
            # Or such a job is being fetched just now; a fetch that is given up may be carried out at any time.
            self._unsure = self._unsure or not known | self._known >= {*found["own"]}
            if found["waiting"] or self._unsure:
                self._notice.give()
            if found["undone"]:
                logger.warning("%d processes stood still within a transaction: it is undone", found["undone"])
            if found["handed_back"]:
                logger.warning("%d conversations of workers that are gone are taken over", found["handed_back"])
            pause = SWEEP_S if found["next_due"] is None else min(SWEEP_S, max(0.0, found["next_due"] - found["now"]))

    async def _watch(self) -> None:
        """Give up all drives once this worker must count as dead: whoever took them over is not to be disturbed."""
        while True:
            await anyio.sleep(max(LOOK_S, self._alive + LOST_S - time.monotonic()))
            if not self._counts_as_dead:
                continue
            lost = [work for work in self._under_way if not work.scope.cancel_called]
            if lost:
                names = ", ".join(work.conversation for work in lost)
                logger.warning("no sign of life got through for %g s: given up: %s", LOST_S, names)
            for work in lost:
                work.scope.cancel()

    async def _look_again(self) -> None:
        """Make jobs for all that waits, a few at a time."""
        while True:
            await self._again.wait()
            self._again = anyio.Event()
            try:
                waiting = tuple(dict.fromkeys(await self._store.agenda.waiting(MAX_WAITING)))
                for first in range(0, len(waiting), AT_ONCE):
                    values = {"conversations": list(waiting[first : first + AT_ONCE]), "queue": ADVANCE}
                    await self._ask("defer_all", **values)
                    await anyio.sleep(BETWEEN_S)
            except (ConnectorException, StoreError) as exc:
                logger.warning("what waits cannot be looked at once more: %s", line(exc))
                self._again.set()
                await anyio.sleep(RETRY_S)

    # -- jobs --------------------------------------------------------------------------------------------------

    async def _work(self, work: Work, drives: Drives) -> None:
        """Drive a conversation to where it rests, and end its job, or hand it back."""
        done = False
        try:
            with work.scope:
                done = await self._drive(work, drives)
            if not done:
                await self._hand_back(work)
        finally:
            if not done and not work.scope.cancelled_caught:
                with anyio.CancelScope(shield=True), anyio.move_on_after(GOODBYE_S):
                    await self._hand_back(work)
            self._under_way.discard(work)
            self._notice.give()

    async def _drive(self, work: Work, drives: Drives) -> bool:
        """Drive until there is nothing to do, and end the job; False where it is to be handed back.

        Raises:
            StoreLost: there is no store.
        """
        if work.deaths >= MAX_DEATHS and not await self._after_deaths(work, drives):
            return False
        while True:
            driven = await drives.drive(work.conversation)
            if driven is None:
                await anyio.sleep(0.05)  # one that was given up here is not over yet
                continue
            if driven.pause_s:
                if not await self._pause(work, drives, driven.pause_s):
                    return False
                continue
            if driven.server:
                work.queue = queue_of(driven.server)
                return False
            if await self._until_done(f"Ending the job of {work.conversation}", lambda: self._endings.end(work)):
                self._due_at(driven.until)
                return True

    async def _pause(self, work: Work, drives: Drives, pause_s: float) -> bool:
        """Let others have its room for so long; whether it may go on then."""
        work.pausing = True
        self._notice.give()
        with anyio.move_on_after(pause_s):
            while not self._stopping:
                await self._notice.next.wait()
        while (noticed := self._notice.next) and not self._room(drives):
            if self._stopping or not self._may_drive():
                return False
            await noticed.wait()
        work.pausing = False
        return True

    async def _after_deaths(self, work: Work, drives: Drives) -> bool:
        """End a turn that ends its workers, once; what ends them all the same is driven seldom."""
        logger.error("%s", work.obituary)
        if work.deaths > MAX_DEATHS:
            return await self._pause(work, drives, pause_after(work.deaths))
        name = work.conversation
        await self._until_done(f"Giving up {name}", lambda: drives.give_up(name, work.obituary))
        return True

    def _due_at(self, until: float | None) -> None:
        """Sweep in time for what was put off to then."""
        if until is not None and until - self._session.clock.now() < self._sweep_at - time.monotonic():
            self._sweep_now.set()

    async def _hand_back(self, work: Work) -> None:
        values = {"job": work.job, "worker": work.worker, "queue": work.queue}
        await self._until_done(f"Handing back {work.conversation}", lambda: self._ask("hand_back", **values))

    async def _ask(self, statement: str, **values: object) -> dict[str, Any]:
        """The one row of a statement; see `_ask_all`."""
        return (await self._ask_all(statement, **values))[0]

    async def _ask_all(self, statement: str, **values: object) -> list[dict[str, Any]]:
        """The rows of a statement. Whoever is cancelled waits for them, for a moment: half a query ends a connection.

        Raises:
            ConnectorException: they could not be had.
        """
        with anyio.CancelScope(shield=True), anyio.move_on_after(ANSWER_S):
            return await self._app.connector.execute_query_all_async(statements()[statement], **values)
        raise ConnectorException(f"no answer within {ANSWER_S:g} s")

    async def _until_done(self, name: str, act: Callable[[], Awaitable[T]]) -> T:
        """Try until it succeeds: a database that is away comes back."""
        backoff = Backoff(0.1, RETRY_S)
        while True:
            try:
                return await act()
            except (ConnectorException, StoreError, psycopg.Error, OSError) as exc:
                logger.warning("%s failed: %s; trying again", name, line(exc))
                await anyio.sleep(backoff.next())

    async def _tried(self, act: Awaitable[object]) -> None:
        """Do something that need not succeed."""
        try:
            await act
        except (ConnectorException, psycopg.Error, OSError) as exc:
            logger.info("not done at the end: %s", line(exc))
