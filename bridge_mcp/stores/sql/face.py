"""What the faces of a store have in common: reads beside the one writer."""

from __future__ import annotations

from bridge_mcp.stores.sql.session import Reads
from bridge_mcp.stores.sql.writer import Writer

__all__ = ["Face"]


class Face:
    """The base of a face."""

    def __init__(self, reads: Reads, writer: Writer) -> None:
        self._reads = reads
        self._writer = writer

    async def _put(self, statement: str, /, **values: object) -> None:
        """Run one statement in a transaction of its own; the same as `_run` where nobody needs the outcome."""
        await self._writer.execute(lambda session: session.put(statement, **values), None)

    async def _run(self, statement: str, /, **values: object) -> int:
        """Run one statement in a transaction of its own; how many rows it has written."""
        return await self._writer.execute(lambda session: session.run(statement, **values), None)
