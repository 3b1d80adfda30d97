"""The list of workers, as any process reads it (`Workers`). Each of them writes its own row (`workers.registry`)."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from bridge_mcp.ports import WorkerInfo
from bridge_mcp.stores.sql.session import Reads

__all__ = ["SILENT_S", "PostgresWorkers"]

SILENT_S = 5.5
"""Who says nothing for so long is taken for dead."""


class PostgresWorkers:
    """See `ports.Workers`."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def listed(self) -> tuple[WorkerInfo, ...]:
        """See `ports.Workers`."""
        rows = await self._reads.rows("workers_alive", silent_s=SILENT_S)
        return tuple(
            replace(msgspec.json.decode(body, type=WorkerInfo), since=since, seen=seen) for body, since, seen in rows
        )
