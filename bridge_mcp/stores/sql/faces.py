"""The faces of a store, over one writer and its reads: what an adapter puts together, whatever its database."""

from __future__ import annotations

from collections.abc import Set

from bridge_mcp.ports import Clock
from bridge_mcp.stores.sql.access import SqlAccess
from bridge_mcp.stores.sql.agenda import SqlAgenda
from bridge_mcp.stores.sql.approvals import SqlApprovals
from bridge_mcp.stores.sql.channel_state import SqlChannelState
from bridge_mcp.stores.sql.claims import SqlClaims
from bridge_mcp.stores.sql.clients import SqlClients
from bridge_mcp.stores.sql.face_sessions import SqlFaceSessions
from bridge_mcp.stores.sql.feed import SqlFeed
from bridge_mcp.stores.sql.findings import findings
from bridge_mcp.stores.sql.forgetting import Compaction, SqlForgetting
from bridge_mcp.stores.sql.grants import SqlGrants
from bridge_mcp.stores.sql.history import SqlHistory
from bridge_mcp.stores.sql.log import SqlLog
from bridge_mcp.stores.sql.outbox import SqlOutbox, SqlTraces
from bridge_mcp.stores.sql.restoring import SqlRestoring
from bridge_mcp.stores.sql.session import Reads
from bridge_mcp.stores.sql.spending import SqlSpending
from bridge_mcp.stores.sql.status import SqlSecrets, SqlStatus, SqlToolPins
from bridge_mcp.stores.sql.subscriptions import SqlEventSubscriptions
from bridge_mcp.stores.sql.watch import Hub
from bridge_mcp.stores.sql.writer import Writer

__all__ = ["Faces"]


class Faces:
    """The faces of `ports.Store`; an adapter adds how it opens, closes, and how it is."""

    def __init__(
        self,
        reads: Reads,
        writer: Writer,
        hub: Hub,
        *,
        clock: Clock,
        delivered_by_commit: Set[str],
        compaction: Compaction,
    ) -> None:
        self._reads = reads
        self.log = SqlLog(reads, writer, clock, delivered_by_commit)
        self.agenda = SqlAgenda(reads, writer, hub, clock)
        self.feed = SqlFeed(reads, writer)
        self.history = SqlHistory(reads, writer)
        self.approvals = SqlApprovals(reads)
        self.outbox = SqlOutbox(reads, writer)
        self.traces = SqlTraces(reads)
        self.spending = SqlSpending(reads)
        self.access = SqlAccess(reads, writer)
        self.grants = SqlGrants(reads, writer)
        self.clients = SqlClients(reads, writer)
        self.claims = SqlClaims(reads, writer)
        self.face_sessions = SqlFaceSessions(reads, writer)
        self.subscriptions = SqlEventSubscriptions(reads, writer)
        self.channel_state = SqlChannelState(reads, writer)
        self.tool_pins = SqlToolPins(reads, writer)
        self.secrets = SqlSecrets(reads, writer)
        self.status = SqlStatus(reads, writer)
        self.forgetting = SqlForgetting(compaction, reads, writer, clock, delivered_by_commit)
        self.restoring = SqlRestoring(reads, writer)

    async def verify(self, conversation: str = "") -> tuple[str, ...]:
        """What is wrong with one conversation, or with all of them, a line each; see `findings.findings`."""
        return await self._reads.long(lambda session: findings(session, conversation))
