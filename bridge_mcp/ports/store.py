"""One store with all its faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bridge_mcp.ports.access import Access, Clients, Grants
from bridge_mcp.ports.channel_state import ChannelState
from bridge_mcp.ports.logs import Agenda, Feed, LogStore
from bridge_mcp.ports.reading import Approvals, History, Outbox, Traces
from bridge_mcp.ports.spending import Spending
from bridge_mcp.ports.status import EngineStatus, Secrets
from bridge_mcp.ports.tools import ToolPins

__all__ = ["Pulse", "Store", "StoreHealth"]


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """How the store serves this process."""

    written_at: float = 0.0
    """When this process committed last (epoch seconds); 0 for never."""
    failure: str = ""
    """Why its last commit failed, if it did."""
    waits_s: float = 0.0
    """How long a commit has been waiting for another process."""
    held: str = ""
    """Who that is, since when, and how to go on, where it takes long."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the engine says of itself every few seconds, outside of the store. Times are epoch seconds."""

    pid: int
    since: float
    at: float
    """When it said this."""
    written_at: float = 0.0
    """When it last wrote to the store; 0 for never."""
    error: str = ""
    """Why its last write failed, if it did."""
    held: str = ""
    """For whom its writes wait, where that takes long."""


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
    def channel_state(self) -> ChannelState: ...

    @property
    def tool_pins(self) -> ToolPins: ...

    @property
    def secrets(self) -> Secrets: ...

    @property
    def status(self) -> EngineStatus: ...

    def health(self) -> StoreHealth: ...

    async def close(self) -> None:
        """Finish what was begun, then let go of the files. Closing twice is fine."""
        ...
