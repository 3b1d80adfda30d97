"""Supervises the engine's background tasks: one that fails is run again after a pause, and ends no other.

Each failure in a row doubles the pause. A failure is logged, and kept in `Troubles` until the task works again, for
`get_status`. A lost store ends the engine.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import anyio

from bridge_mcp.core.backoff import Backoff
from bridge_mcp.core.errors import BridgeError, StoreLost
from bridge_mcp.core.results import Trouble

__all__ = ["STEADY_S", "Pauses", "TaskSupervisor", "Troubles", "error_line", "first_error"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

STEADY_S = 60.0
"""A task that ran this long works again: its next pause is the shortest one."""


class Troubles:
    """What fails now, by what it concerns."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._notes: dict[str, Trouble] = {}

    def note(self, subject: str, error: BaseException | str) -> None:
        """Note a failure; the time of the first one in a row is kept."""
        text = error if isinstance(error, str) else error_line(first_error(error))
        earlier = self._notes.get(subject)
        self._notes[subject] = Trouble(text, earlier.since if earlier else self._now())

    def clear(self, subject: str) -> None:
        """It works again."""
        self._notes.pop(subject, None)

    def all(self) -> dict[str, Trouble]:
        """A copy, by what they concern."""
        return dict(self._notes)


class TaskSupervisor:
    """Runs background tasks, each on its own."""

    def __init__(self, troubles: Troubles) -> None:
        self.troubles = troubles

    async def keep(self, name: str, run: Callable[[], Awaitable[object]]) -> None:
        """Run a task until cancelled, again after a pause whenever it fails. A task that returns has nothing to do.

        Raises:
            StoreLost: there is no store to work with.
        """
        backoff = Backoff()
        while True:
            began = time.monotonic()
            try:
                await self._run(name, run)
                return
            except Exception as exc:
                if time.monotonic() - began > STEADY_S:
                    backoff.reset()
                await anyio.sleep(self.failed(name, exc, backoff))

    async def _run(self, name: str, run: Callable[[], Awaitable[object]]) -> None:
        """Run a task once; its failure is cleared when it has run for `STEADY_S`."""

        async def steady() -> None:
            await anyio.sleep(STEADY_S)
            self.troubles.clear(name)

        async with anyio.create_task_group() as tasks:
            if name in self.troubles.all():
                tasks.start_soon(steady)
            await run()
            self.troubles.clear(name)
            tasks.cancel_scope.cancel()

    def failed(self, name: str, exc: Exception, backoff: Backoff) -> float:
        """Note a failure; returns the pause.

        Raises:
            StoreLost: that is what failed.
        """
        first = first_error(exc)
        if isinstance(first, StoreLost):
            raise first
        pause = backoff.next()
        self.troubles.note(name, exc)
        logger.error("%s failed: %s; trying again in %g s", name, error_line(first), pause, exc_info=exc)
        return pause

    async def until_done(
        self,
        name: str,
        act: Callable[[], Awaitable[T]],
        *,
        of: type[Exception] = Exception,
    ) -> T:
        """Retry until it succeeds; returns the result. Exceptions of other types than `of` are raised.

        Raises:
            StoreLost: it can never succeed.
        """
        backoff = Backoff()
        while True:
            try:
                result = await act()
            except of as exc:
                await anyio.sleep(self.failed(name, exc, backoff))
            else:
                self.troubles.clear(name)
                return result


class Pauses:
    """What pauses after it failed, by name, and until when: each failure in a row doubles the pause."""

    def __init__(self, supervisor: TaskSupervisor, noun: str, first_s: float = 0.25, longest_s: float = 60.0) -> None:
        """`noun` calls a trouble; `{}` in it stands for the name of what pauses."""
        self._supervisor = supervisor
        self._noun = noun
        self._first_s = first_s
        self._longest_s = longest_s
        self._paused: dict[str, tuple[float, Backoff]] = {}
        """Until when (monotonic), and the pauses so far."""

    def failed(self, name: str, exc: Exception) -> float:
        """It failed, and pauses from now on; for how many seconds.

        Raises:
            StoreLost: that is what failed.
        """
        backoff = self._paused[name][1] if name in self._paused else Backoff(self._first_s, self._longest_s)
        pause = self._supervisor.failed(self._noun.format(name), exc, backoff)
        self._paused[name] = (time.monotonic() + pause, backoff)
        return pause

    def succeeded(self, name: str) -> None:
        """It works: its next pause is the shortest one."""
        self._paused.pop(name, None)
        self._supervisor.troubles.clear(self._noun.format(name))

    def at(self, moment: float) -> set[str]:
        """What pauses at a moment (monotonic)."""
        return {name for name, (until, _) in self._paused.items() if until > moment}

    def left(self, moment: float) -> list[float]:
        """For how many seconds, from now, each of what paused at a moment still pauses."""
        return [until - time.monotonic() for until, _ in self._paused.values() if until > moment]


def first_error(exc: BaseException) -> BaseException:
    """The first exception in nested groups."""
    if isinstance(exc, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", exc)
        return first_error(group.exceptions[0])
    return exc


def error_line(exc: BaseException) -> str:
    """An error in one line; with its type if its message does not say enough."""
    words = " ".join(str(exc).split())
    return words if isinstance(exc, BridgeError) else f"{type(exc).__name__}: {words}".rstrip(": ")
