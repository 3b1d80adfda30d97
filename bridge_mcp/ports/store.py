"""One store with all its faces."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from bridge_mcp.ports.access import Access, Claims, Clients, Grants
from bridge_mcp.ports.channel_state import ChannelState
from bridge_mcp.ports.face_sessions import FaceSessions
from bridge_mcp.ports.forgetting import Forgetting
from bridge_mcp.ports.logs import Agenda, Feed, LogStore
from bridge_mcp.ports.reading import Approvals, History, Outbox, Traces
from bridge_mcp.ports.restoring import Restoring
from bridge_mcp.ports.spending import Spending
from bridge_mcp.ports.status import EngineStatus, Secrets
from bridge_mcp.ports.subscriptions import EventSubscriptions
from bridge_mcp.ports.tools import ToolPins
from bridge_mcp.ports.workers import Workers

__all__ = ["Pulse", "Store", "StoreHealth"]


class StoreHealth(Struct, frozen=True):
    """How the store serves this process."""

    written_at: float = 0.0
    """When this process committed last (epoch seconds); 0 for never."""
    failure: str = ""
    """Why its last commit failed, if it did."""
    waits_s: float = 0.0
    """How long a commit has been waiting for another process."""
    held: str = ""
    """Who that is, since when, and how to go on, where it takes long."""


class Pulse(Struct, frozen=True):
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
    def log(self) -> LogStore:
        """The conversations' logs."""
        ...

    @property
    def agenda(self) -> Agenda:
        """Which conversations have something to do, and when."""
        ...

    @property
    def feed(self) -> Feed:
        """Events of the whole bridge."""
        ...

    @property
    def history(self) -> History:
        """Conversations and messages, for people."""
        ...

    @property
    def approvals(self) -> Approvals:
        """Approvals, waiting or decided."""
        ...

    @property
    def outbox(self) -> Outbox:
        """Messages on their way out."""
        ...

    @property
    def traces(self) -> Traces:
        """Messages, answers and buttons by their ids on platforms."""
        ...

    @property
    def spending(self) -> Spending:
        """Tokens and cost of models, by day."""
        ...

    @property
    def access(self) -> Access:
        """Pairings, and requests for one."""
        ...

    @property
    def grants(self) -> Grants:
        """Standing verdicts."""
        ...

    @property
    def clients(self) -> Clients:
        """MCP clients over HTTP, with hashes of their tokens."""
        ...

    @property
    def claims(self) -> Claims:
        """Conversations that a client has for itself."""
        ...

    @property
    def face_sessions(self) -> FaceSessions:
        """Sessions of MCP clients and browsers."""
        ...

    @property
    def subscriptions(self) -> EventSubscriptions:
        """Subscriptions whose events are posted to clients."""
        ...

    @property
    def channel_state(self) -> ChannelState:
        """What channels have to remember: offsets, migrations, titles."""
        ...

    @property
    def tool_pins(self) -> ToolPins:
        """Trusted definitions of tools."""
        ...

    @property
    def secrets(self) -> Secrets:
        """Random secrets of the bridge itself."""
        ...

    @property
    def status(self) -> EngineStatus:
        """The status that the engine publishes."""
        ...

    @property
    def restoring(self) -> Restoring:
        """What a restored store must not go on with by itself."""
        ...

    @property
    def forgetting(self) -> Forgetting:
        """Forgets the content of entries for good."""
        ...

    @property
    def workers(self) -> Workers:
        """The processes that share its work."""
        ...

    def health(self) -> StoreHealth:
        """When this process last wrote, and what keeps it from writing."""
        ...

    async def verify(self, conversation: str = "") -> tuple[str, ...]:
        """What is wrong with one conversation's log and what stands beside it, or with all, a line each; () for none.

        Reads all of it, beside the event loop.
        """
        ...

    async def close(self) -> None:
        """Finish what was begun, then let go of the files. Closing twice is fine."""
        ...
