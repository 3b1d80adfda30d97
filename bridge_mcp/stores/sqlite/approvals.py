"""Calls that wait, or waited, for a verdict (`Approvals`)."""

from __future__ import annotations

from bridge_mcp.core.views import Approval
from bridge_mcp.stores.sqlite.readers import Readers
from bridge_mcp.stores.sqlite.rows import approval as approval_of
from bridge_mcp.stores.sqlite.rows import dump
from bridge_mcp.stores.sqlite.session import Session

__all__ = ["SqliteApprovals"]


class SqliteApprovals:
    """See `ports.Approvals`."""

    def __init__(self, reader: Session, readers: Readers) -> None:
        self._reader = reader
        self._readers = readers

    async def get(self, approval: str) -> Approval | None:
        row = self._reader.row("approval", id=approval)
        return None if row is None else approval_of(row)

    async def find(
        self,
        *,
        status: str = "",
        conversation: str = "",
        channels: frozenset[str] = frozenset(),
        limit: int = 100,
    ) -> tuple[Approval, ...]:
        if conversation:
            if channels and conversation.partition("/")[0] not in channels:
                return ()
            rows = self._reader.rows("approvals_in", name=conversation, status=status, limit=limit)
            return tuple([approval_of(row) for row in rows])

        def read(session: Session) -> tuple[Approval, ...]:
            within = dump(sorted(channels))
            if status:
                rows = session.rows("approvals_with", status=status, channels=within, limit=limit)
            else:
                rows = session.rows("approvals_all", channels=within, limit=limit)
            return tuple([approval_of(row) for row in rows])

        # Few wait; those that are decided grow without end, and a filter may look at all of them.
        return read(self._reader) if status == "waiting" else await self._readers.run(read)
