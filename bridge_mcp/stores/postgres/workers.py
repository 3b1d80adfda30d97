"""The list of workers, as any process reads it (`Workers`). Each of them writes its own row (`workers.registry`)."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from bridge_mcp.core.results import Queue
from bridge_mcp.ports import WorkerInfo
from bridge_mcp.stores.sql.session import Reads

__all__ = ["SILENT_S", "PostgresWorkers"]

SILENT_S = 5.5
"""Who says nothing for so long is taken for dead."""


class PostgresWorkers:
    """See `ports.Workers`."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def now(self) -> float:
        """Epoch seconds by the database's clock."""
        found: float = await self._reads.value("server_now")
        return found

    async def queue(self) -> Queue:
        """See `ports.Workers`; in one look."""
        waiting, under_way, oldest_s = await self._reads.row("job_queue") or (0, 0, 0.0)
        return Queue(waiting, under_way, max(0.0, oldest_s))

    async def listed(self) -> tuple[WorkerInfo, ...]:
        """See `ports.Workers`."""
        rows = await self._reads.rows("workers_alive", silent_s=SILENT_S)
        return tuple(
            replace(msgspec.json.decode(body, type=WorkerInfo), since=since, seen=seen) for body, since, seen in rows
        )
