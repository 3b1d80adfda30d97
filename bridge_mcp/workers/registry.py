"""The list of workers: each says about once a second that it lives, and reads whether it may drive.

All workers decide by the same rules: the same version, and the same configuration. Of several versions the newest
drives, and the others drive nothing more once they know; of several configurations that of the worker that is there the
longest, so that one that was started with a wrong file changes nothing. In a rolling upgrade the new ones therefore
take over at once with a new version, and with a new configuration when the last worker of the old one is stopped.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence

import anyio
import msgspec
from msgspec.structs import replace

from bridge_mcp.ports import WorkerInfo
from bridge_mcp.stores.postgres.workers import SILENT_S, worker_of
from bridge_mcp.workers.session import Answers, Asked, DirectSession

__all__ = ["TICK_S", "Registry", "refusal"]

logger = logging.getLogger(__name__)

TICK_S = 1.0
"""How often the session is used in which a worker says that it lives."""

SAY_S = 0.8
"""How soon it says so again: at every tick."""

LEAVE_S = 1.0
"""How long a worker that ends tries to leave the list."""

GONE_S = 3600.0
"""Who says nothing for so long leaves the list."""


class Registry:
    """This worker in the list, and what it has read of the others."""

    def __init__(self, session: DirectSession, say: Callable[[], WorkerInfo]) -> None:
        """`say` tells what this worker is like now, but for `since`, `seen` and `refuses`."""
        self._say = say
        self._session = session
        self._own: WorkerInfo | None = None
        """What it is like now."""
        self._said: WorkerInfo | None = None
        """What it said last."""
        self._said_at = float("-inf")
        """When it last said so (monotonic)."""
        self.refuses = "It has not yet read which other workers there are."
        """Why this worker drives nothing; "" where it does."""
        self.workers: tuple[WorkerInfo, ...] = ()
        """Those that live, as last read."""
        self.driving = anyio.Event()
        """Set once this worker drives."""
        self._leaves = False
        self._left = anyio.Event()
        session.lived.append(self)
        session.looks.append(self._look)

    def may_drive(self) -> bool:
        """Whether this worker may begin a drive."""
        return not self.refuses

    def _look(self) -> None:
        self._own = self._say()

    async def leave(self) -> None:
        """Take this worker out of the list; if that takes longer than a moment, the others notice by themselves."""
        self._leaves = True
        self._session.poke()
        with anyio.move_on_after(LEAVE_S):
            await self._left.wait()

    def asks(self) -> Asked:
        """See `Lived`."""
        if (own := self._own) is None:
            return {}
        if self._leaves:
            return {"worker_leaves": {"id": own.id}}
        if time.monotonic() - self._said_at < SAY_S:
            return {}
        self._said = said = replace(own, refuses=self.refuses)
        body = msgspec.json.encode(said).decode()
        return {"worker_lives": {"id": said.id, "body": body, "silent_s": SILENT_S, "gone_s": GONE_S}}

    def told(self, answers: Answers) -> None:
        """See `Lived`."""
        if "worker_leaves" in answers:
            self._session.tell(self._left.set)
        if (rows := answers.get("worker_lives")) is None or (said := self._said) is None:
            return
        self._said_at = time.monotonic()
        self.workers = tuple(replace(worker_of(row["body"]), since=row["since"], seen=row["seen"]) for row in rows)
        why = refusal(said, self.workers)
        if why != self.refuses:
            self.refuses = why
            self._said_at = float("-inf")
            self._session.poke()
            if why:
                logger.error("%s", why)
            else:
                self._session.tell(self.driving.set)
                logger.info("this worker drives")

    def lost(self) -> None:
        """See `Lived`: what was read last holds until there is news."""
        self._said_at = float("-inf")


def refusal(own: WorkerInfo, workers: Sequence[WorkerInfo]) -> str:
    """Why a worker must not drive beside these, which come in the order in which they began; "" where it may."""
    newest = max(workers, key=lambda each: numbers(each.version), default=own)
    if numbers(newest.version) > numbers(own.version):
        return (
            f"Worker {name(newest)} runs bridge_mcp {newest.version}, and this one {own.version}: it drives nothing "
            "beside a newer one. Update it, or stop it."
        )
    first = next((each for each in workers if numbers(each.version) == numbers(own.version)), own)
    if first.config != own.config:
        return (
            f"Worker {name(first)} runs the configuration {first.config[:12]}, and this one {own.config[:12]}: it "
            "drives nothing beside another one. Start it with the same bridge.toml; or stop the others: it drives once "
            "none of them is left."
        )
    return ""


def name(worker: WorkerInfo) -> str:
    """A worker, for people."""
    return f"{worker.host}:{worker.pid}"


def numbers(version: str) -> tuple[int, ...]:
    """A version in an order: its release, without what stands behind it."""
    return tuple(map(int, re.findall(r"\d+", version.partition("+")[0])[:3]))
