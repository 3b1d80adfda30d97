"""The store as one object: its faces over one writer, one reader on the event loop, and readers beside it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Set
from contextlib import nullcontext
from pathlib import Path

from bridge_mcp.ports import Clock, StoreHealth
from bridge_mcp.stores.sqlite.access import SqliteAccess
from bridge_mcp.stores.sqlite.agenda import SqliteAgenda
from bridge_mcp.stores.sqlite.approvals import SqliteApprovals
from bridge_mcp.stores.sqlite.channel_state import SqliteChannelState
from bridge_mcp.stores.sqlite.claims import SqliteClaims
from bridge_mcp.stores.sqlite.clients import SqliteClients
from bridge_mcp.stores.sqlite.feed import SqliteFeed
from bridge_mcp.stores.sqlite.forgetting import SqliteForgetting
from bridge_mcp.stores.sqlite.grants import SqliteGrants
from bridge_mcp.stores.sqlite.guard import Guard, Holder
from bridge_mcp.stores.sqlite.history import SqliteHistory
from bridge_mcp.stores.sqlite.log import SqliteLog
from bridge_mcp.stores.sqlite.migrate import Owner, migrate, newest
from bridge_mcp.stores.sqlite.outbox import SqliteOutbox, SqliteTraces
from bridge_mcp.stores.sqlite.readers import Readers
from bridge_mcp.stores.sqlite.restoring import SqliteRestoring
from bridge_mcp.stores.sqlite.session import connect
from bridge_mcp.stores.sqlite.spending import SqliteSpending
from bridge_mcp.stores.sqlite.status import SqliteSecrets, SqliteStatus, SqliteToolPins
from bridge_mcp.stores.sqlite.subscriptions import SqliteEventSubscriptions
from bridge_mcp.stores.sqlite.verify import findings
from bridge_mcp.stores.sqlite.watch import Hub
from bridge_mcp.stores.sqlite.writer import Writer

__all__ = ["SqliteStore", "open_store"]

READ_WAIT_S = 5.0
"""Readers wait for nobody, but for whoever repairs the log after a crash: milliseconds."""


class SqliteStore:
    """See `ports.Store`. Belongs to the event loop that uses it first."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        delivered_by_commit: Set[str] = frozenset(),
        owner: Owner = nullcontext,
    ) -> None:
        """Open the store at `path`, and make it first where there is none: some milliseconds, without an event loop.

        On the channels `delivered_by_commit`, a message that is committed counts as sent. An older store is migrated
        within `owner`, which raises a `StoreError` where that is not for this process to do.

        Raises:
            NewerSchema: a newer bridge_mcp has been here.
            StoreError: the file cannot be opened, or is no store.
        """
        self.path = path
        migrate(path, owner=owner)
        hub = Hub()
        guard = Guard(path, newest())
        readers = Readers(path, guard)
        reader = connect(path, reading=True, wait_s=READ_WAIT_S, guard=guard)
        self._holder = Holder(path)
        self._writing = connect(path, reading=False, wait_s=0.0, guard=guard, holder=self._holder)
        writer = Writer(self._writing, hub.notify)
        hub.on_watched = writer.watch
        self._hub, self._reader, self._readers, self._writer = hub, reader, readers, writer
        self._closed: asyncio.Task[None] | None = None
        self.log = SqliteLog(reader, readers, writer, clock, delivered_by_commit)
        self.agenda = SqliteAgenda(reader, writer, hub, clock)
        self.feed = SqliteFeed(reader, readers, writer)
        self.history = SqliteHistory(reader, readers, writer)
        self.approvals = SqliteApprovals(reader, readers)
        self.outbox = SqliteOutbox(reader, writer)
        self.traces = SqliteTraces(reader)
        self.spending = SqliteSpending(reader)
        self.access = SqliteAccess(reader, writer)
        self.grants = SqliteGrants(reader, writer)
        self.clients = SqliteClients(reader, writer)
        self.claims = SqliteClaims(reader, writer)
        self.subscriptions = SqliteEventSubscriptions(reader, writer)
        self.channel_state = SqliteChannelState(reader, writer)
        self.tool_pins = SqliteToolPins(reader, writer)
        self.secrets = SqliteSecrets(reader, writer)
        self.status = SqliteStatus(reader, writer)
        self.forgetting = SqliteForgetting(path, reader, readers, writer, clock, delivered_by_commit)
        self.restoring = SqliteRestoring(reader, writer)

    def health(self) -> StoreHealth:
        """See `ports.Store`."""
        since = self._writing.waits_since
        waits_s = 0.0 if since is None else time.monotonic() - since
        held = f"{self._holder.words()}. {self._holder.fix()}" if waits_s > 1 else ""
        return StoreHealth(self._writer.written_at, self._writer.failure, waits_s, held=held)

    async def damage(self) -> str:
        """What SQLite finds broken in the file; "" for nothing. Reads all of it.

        Raises:
            StoreError: it cannot even be looked at.
        """
        rows = await self._readers.run(lambda session: session.rows("quick_check"))
        found = [str(line) for (line,) in rows if line != "ok"]
        return f"it is damaged ({'; '.join(found)}). Restore a backup, or move it away to start anew." if found else ""

    async def verify(self, conversation: str = "") -> tuple[str, ...]:
        """What is wrong with one conversation, or with all of them, a line each; see `verify.verify`."""
        return await self._readers.run(lambda session: findings(session, conversation))

    async def close(self) -> None:
        """Finish what was begun, then let go of the files. Closing twice is fine; so is cancelling: it goes on."""
        if self._closed is None:
            self._closed = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closed)

    async def _close(self) -> None:
        self._hub.close()
        await self._readers.close()
        self._reader.close()
        # The last one to go tidies the write-ahead log away, which takes time: hence the thread that ends here.
        await self._writer.close()
        self._holder.close()


async def open_store(
    path: str | Path,
    *,
    clock: Clock,
    delivered_by_commit: Set[str] = frozenset(),
    owner: Owner = nullcontext,
) -> SqliteStore:
    """Open the store at `path` without holding up the event loop; see `SqliteStore`."""
    return await asyncio.to_thread(
        SqliteStore, Path(path), clock=clock, delivered_by_commit=delivered_by_commit, owner=owner
    )
