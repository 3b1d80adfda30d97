"""The list of workers, as any process reads it (`Workers`). Each of them writes its own row (`workers.registry`)."""

from __future__ import annotations

from typing import cast

import msgspec
from msgspec.structs import replace

from bridge_mcp.core.results import Queue
from bridge_mcp.ports import WorkerInfo
from bridge_mcp.stores.sql.session import Reads

__all__ = ["SILENT_S", "STOPPED_S", "PostgresWorkers"]

SILENT_S = 5.5
"""Who says nothing for so long is taken for dead."""

STOPPED_S = 2.0
"""A transaction whose process says nothing for so long is undone."""

UNTOLD: dict[str, str | int] = {"id": "", "host": "", "pid": 0, "version": "", "config": "", "concurrency": 0}
"""What stands for what a worker does not say, or says in another way."""


class PostgresWorkers:
    """See `ports.Workers`."""

    begin = "bridge-mcp worker"

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def now(self) -> float:
        """Epoch seconds by the database's clock."""
        found: float = await self._reads.value("server_now")
        return found

    async def end_stopped(self) -> int:
        """End the transactions of processes that stand still in the middle of them; of how many."""
        found: int = await self._reads.value("end_stopped", stopped_s=STOPPED_S)
        return found

    async def queue(self) -> Queue:
        """See `ports.Workers`; in one look."""
        waiting, under_way, oldest_s = await self._reads.row("job_queue") or (0, 0, 0.0)
        return Queue(waiting, under_way, max(0.0, oldest_s))

    async def listed(self) -> tuple[WorkerInfo, ...]:
        """See `ports.Workers`."""
        rows = await self._reads.rows("workers_alive", silent_s=SILENT_S)
        return tuple(
            replace(worker_of(msgspec.json.decode(body)), since=since, seen=seen) for body, since, seen in rows
        )


def worker_of(said: object) -> WorkerInfo:
    """What a worker says of itself; of one of another version, which may say it otherwise, what can be read of it."""
    try:
        return msgspec.convert(said, WorkerInfo)
    except msgspec.ValidationError:
        told = cast("dict[str, object]", said) if isinstance(said, dict) else {}
        plain = UNTOLD | {"refuses": ""}
        return msgspec.convert(
            {name: told[name] if type(told.get(name)) is type(value) else value for name, value in plain.items()},
            WorkerInfo,
        )
