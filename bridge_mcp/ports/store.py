"""One store with all its faces."""

from __future__ import annotations

from typing import Protocol

from bridge_mcp.ports.access import Access, Board, Grants
from bridge_mcp.ports.logs import Agenda, Feed, LogStore
from bridge_mcp.ports.reading import Approvals, History, Outbox

__all__ = ["Store"]


class Store(Protocol):
    """All faces of one store."""

    log: LogStore
    agenda: Agenda
    feed: Feed
    history: History
    approvals: Approvals
    outbox: Outbox
    access: Access
    grants: Grants
    board: Board

    async def close(self) -> None:
        """Finish what was begun, then let go of the files. Closing twice is fine."""
        ...
