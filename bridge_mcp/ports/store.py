"""One store with all its faces."""

from __future__ import annotations

from typing import Protocol

from bridge_mcp.ports.access import Access, Board, Clients, Grants
from bridge_mcp.ports.logs import Agenda, Feed, LogStore
from bridge_mcp.ports.reading import Approvals, History, Outbox, Traces
from bridge_mcp.ports.spending import Spending

__all__ = ["Store"]


class Store(Protocol):
    """All faces of one store."""

    @property
    def log(self) -> LogStore: ...

    @property
    def agenda(self) -> Agenda: ...

    @property
    def feed(self) -> Feed: ...

    @property
    def history(self) -> History: ...

    @property
    def approvals(self) -> Approvals: ...

    @property
    def outbox(self) -> Outbox: ...

    @property
    def traces(self) -> Traces: ...

    @property
    def spending(self) -> Spending: ...

    @property
    def access(self) -> Access: ...

    @property
    def grants(self) -> Grants: ...

    @property
    def clients(self) -> Clients: ...

    @property
    def board(self) -> Board: ...

    async def close(self) -> None:
        """Finish what was begun, then let go of the files. Closing twice is fine."""
        ...
