"""The list of workers (`Workers`) of a store in a file: it is worked on by one process, the engine."""

from __future__ import annotations

from bridge_mcp.core.results import Queue
from bridge_mcp.ports import WorkerInfo

__all__ = ["NoWorkers"]


class NoWorkers:
    """See `ports.Workers`."""

    async def listed(self) -> tuple[WorkerInfo, ...]:
        """Nobody."""
        return ()

    async def queue(self) -> Queue:
        """Nothing: the one engine looks for its work itself."""
        return Queue()
