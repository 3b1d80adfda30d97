"""A direct session of a worker with Postgres: what lives as long as it does, and the worker's sign of life.

Session advisory locks (`leases`) are given back by Postgres when the session ends. It ends with the process and with
the connection; and the server itself ends a session that says nothing for `silent_s`, as that of a process that is
stopped, or whose network is gone. This side uses the session much more often, and takes it for lost as soon as one
answer is late, which is before the server lets anybody else have what was held.

It lives in a thread with an event loop of its own: whatever keeps the loop of the process busy (loading, appends,
answers) neither loses what is held nor keeps this process from taking over. Only a loop that has had no turn for
`HUNG_S` counts as dead, and what is held is given up.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeAlias

import anyio
import anyio.to_thread
import psycopg

from bridge_mcp.core.backoff import Backoff
from bridge_mcp.workers.clock import DatabaseClock
from bridge_mcp.workers.statements import together

__all__ = ["Answers", "Asked", "DirectSession", "Lived"]

logger = logging.getLogger(__name__)

TICK_S = 0.4
"""How often a session that holds leases is used: to see that it lives, and to try for what others hold."""

LATE_S = 1.0
"""A tick that takes longer is taken for a lost session."""

MARGIN_S = 0.1
"""After a tick's time, and the longest that one may take, and this, the server ends a session that says nothing."""

HUNG_S = 5.0
"""A process whose event loop has had no turn for so long is to hold nothing."""

CONNECT_S = 5
"""Seconds for one attempt to connect."""


Asked: TypeAlias = Mapping[str, Mapping[str, object]]
"""Named statements, each with its values: no two of a session have a value of the same name."""

Answers: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
"""The rows of each."""


class Lived(Protocol):
    """Something that is done with the session as long as there is one; in its thread."""

    def asks(self) -> Asked:
        """What is to be done at this tick, of which there is one soon after `DirectSession.poke`; short.

        All of a tick is one statement, and so one transaction.
        """
        ...

    def told(self, answers: Answers) -> None:
        """The tick is over; the answers to what was asked."""
        ...

    def lost(self) -> None:
        """There is no session any more; the next `beat` is on a fresh one."""
        ...


class DirectSession:
    """Keeps a session, and a new one whenever it is lost. `run` runs beside whatever needs it."""

    def __init__(self, url: str, clock: DatabaseClock, tick_s: float = TICK_S) -> None:
        """`url` reaches Postgres directly: behind PgBouncer in transaction mode there are no sessions.

        `tick_s` is how often it is used: the sooner, the sooner somebody else can have what it held.
        """
        self._tick_s, self.silent_s = tick_s, tick_s + LATE_S + MARGIN_S
        self.lived: list[Lived] = []
        """What is done with it."""
        self.looks: list[Callable[[], None]] = []
        """What is done at each tick in the loop of `run`."""
        self.clock = clock
        self._url = url
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop of `run`, while that runs."""
        self._turn = 0.0
        """When it had its last turn (monotonic)."""
        self._own: asyncio.AbstractEventLoop | None = None
        """The loop of the thread, while it runs."""
        self._scope: anyio.CancelScope | None = None
        self._stopping = False
        self._wake = asyncio.Event()
        self._sure_until = float("-inf")

    @property
    def is_sure(self) -> bool:
        """Whether the server cannot have ended the session so far: a process that stood still knows it at once."""
        return time.monotonic() < self._sure_until

    def poke(self) -> None:
        """Have the next tick at once."""
        self._in_thread(self._wake.set)

    def tell(self, act: Callable[[], object]) -> None:
        """Have something done in the loop of `run`; at once where that does not run."""
        if (loop := self._loop) is None:
            act()
        else:
            loop.call_soon_threadsafe(act)

    def _in_thread(self, act: Callable[[], object]) -> None:
        if (own := self._own) is not None:
            with suppress(RuntimeError):  # it has ended just now
                own.call_soon_threadsafe(act)

    async def run(self) -> None:
        """Until cancelled. What fails is logged, and tried again on a fresh session."""
        self._loop, self._stopping = asyncio.get_running_loop(), False
        self._look()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._stop_in_the_end)
                await anyio.to_thread.run_sync(partial(anyio.run, self._live), limiter=anyio.CapacityLimiter(1))
        finally:
            self._loop = None

    async def _stop_in_the_end(self) -> None:
        """End the thread when this is cancelled: whoever waits for it waits for its end."""
        try:
            await anyio.sleep_forever()
        finally:
            self._stopping = True
            if self._scope is not None:
                self._in_thread(self._scope.cancel)

    def _look(self) -> None:
        self._turn = time.monotonic()
        for look in self.looks:
            look()

    def _hangs(self) -> bool:
        if self.looks or time.monotonic() - self._turn > HUNG_S / 5:  # a turn for nothing wakes the process
            self.tell(self._look)
        return time.monotonic() - self._turn > HUNG_S

    # -- in the thread -------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        """Until the scope is cancelled."""
        with anyio.CancelScope() as self._scope:
            self._own = asyncio.get_running_loop()
            try:
                await self._have_sessions()
            finally:
                self._own = None

    async def _have_sessions(self) -> None:
        backoff = Backoff(0.1, 1.0)
        while not self._stopping:
            while self._hangs():  # noqa: ASYNC110 - a loop that hangs sets no event
                await anyio.sleep(self._tick_s)
            try:
                session = await self._connect()
            except (psycopg.Error, OSError) as exc:
                logger.warning("Postgres cannot be reached: %s; trying again", line(exc))
                await anyio.sleep(backoff.next())
                continue
            try:
                await self._keep(session, backoff)
            except (psycopg.Error, OSError, TimeoutError) as exc:
                logger.warning("the session with Postgres is lost: %s", line(exc))
            finally:
                self._sure_until = float("-inf")
                session.pgconn.finish()  # at once: a goodbye could take for ever
                for each in self.lived:
                    each.lost()
            await anyio.sleep(backoff.next())

    async def _connect(self) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_S,
            application_name="bridge-mcp worker",
            client_encoding="UTF8",
            prepare_threshold=0,
        )

    async def _keep(self, session: psycopg.AsyncConnection, backoff: Backoff) -> None:
        """Use a session until it fails.

        Raises:
            TimeoutError: an answer was late, or this process stood still.
            psycopg.Error: the session is gone.
        """
        with anyio.fail_after(LATE_S):
            # Not as options of the connection: PgBouncer takes none.
            await session.execute(f"SET idle_session_timeout = {int(self.silent_s * 1000)}".encode(), prepare=False)
            # Signs of life need no disk: a server that crashes has ended all sessions, and with them all leases.
            await session.execute("SET synchronous_commit = off", prepare=False)
        while True:
            began = time.monotonic()
            self._wake.clear()
            with anyio.fail_after(LATE_S):  # psycopg closes a connection whose waiting is cancelled again and again
                await self._tick(session)
            backoff.reset()
            with anyio.move_on_after(self._tick_s):
                await self._wake.wait()
            if (still := time.monotonic() - began) > self.silent_s:
                raise TimeoutError(f"this process stood still for {still:.1f} s")
            if self._hangs():
                raise TimeoutError(f"this process has done nothing for {HUNG_S:g} s")

    async def _tick(self, session: psycopg.AsyncConnection) -> None:
        asks = [(each, each.asks()) for each in self.lived]
        names = tuple(name for _, asked in asks for name in asked)
        values = {key: value for _, asked in asks for own in asked.values() for key, value in own.items()}
        began = time.monotonic()
        row = await (await session.execute(together(names), values)).fetchone()
        assert row is not None
        self.clock.told(row[0], began, time.monotonic())
        self._sure_until = began + self.silent_s
        answers = {name: rows or () for name, rows in zip(names, row[1:], strict=True)}
        for each, asked in asks:
            each.told({name: answers[name] for name in asked})


def line(exc: BaseException) -> str:
    """An error in one line."""
    told = " ".join(str(exc).split())
    return told or ("it has not answered in time" if isinstance(exc, TimeoutError) else type(exc).__name__)
