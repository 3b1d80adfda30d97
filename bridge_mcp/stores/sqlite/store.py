"""The store as one object: its faces over one writer, one reader on the event loop, and readers beside it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Set
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from bridge_mcp.core.results import Queue
from bridge_mcp.ports import Clock, StoreHealth, WorkerInfo
from bridge_mcp.stores.sql.faces import Faces
from bridge_mcp.stores.sql.forgetting import Compaction
from bridge_mcp.stores.sql.watch import Hub
from bridge_mcp.stores.sql.writer import Writer
from bridge_mcp.stores.sqlite.compact import checkpointed, written_anew
from bridge_mcp.stores.sqlite.guard import Guard, Holder
from bridge_mcp.stores.sqlite.migrate import Owner, migrate, newest
from bridge_mcp.stores.sqlite.readers import SqliteReads
from bridge_mcp.stores.sqlite.session import connect

__all__ = ["SqliteStore", "open_store"]

READ_WAIT_S = 5.0
"""Readers wait for nobody, but for whoever repairs the log after a crash: milliseconds."""


class NoWorkers:
    """See `ports.Workers`: a store in a file is worked on by one process, the engine."""

    begin = "bridge-mcp serve"

    async def listed(self) -> tuple[WorkerInfo, ...]:
        """Nobody."""
        return ()

    async def queue(self) -> Queue:
        """Nothing: the one engine looks for its work itself."""
        return Queue()


class SqliteStore(Faces):
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
        reads = SqliteReads(path, connect(path, reading=True, wait_s=READ_WAIT_S, guard=guard), guard)
        self._holder = Holder(path)
        self._writing = connect(path, reading=False, wait_s=0.0, guard=guard, holder=self._holder)
        writer = Writer(self._writing, hub.notify, version=lambda: self._writing.value("data_version"))
        hub.on_watched = writer.watch
        self._hub, self._readers, self._writer = hub, reads, writer
        self._closed: asyncio.Task[None] | None = None
        compaction = Compaction(partial(written_anew, path), partial(checkpointed, path))
        self.workers = NoWorkers()
        super().__init__(
            reads, writer, hub, clock=clock, delivered_by_commit=delivered_by_commit, compaction=compaction
        )

    def health(self) -> StoreHealth:
        """See `ports.Store`."""
        since = self._writing.waits_since
        waits_s = 0.0 if since is None else time.monotonic() - since
        holder = f"{self._holder.words()}. {self._holder.fix()}" if waits_s > 1 else ""
        return StoreHealth(self._writer.written_at, self._writer.failure, waits_s, held=holder)

    async def damage(self) -> str:
        """What SQLite finds broken in the file; "" for nothing. Reads all of it.

        Raises:
            StoreError: it cannot even be looked at.
        """
        rows = await self._readers.long(lambda session: session.rows("quick_check"))
        problems = [str(line) for (line,) in rows if line != "ok"]
        return (
            f"it is damaged ({'; '.join(problems)}). Restore a backup, or move it away to start anew."
            if problems
            else ""
        )

    async def close(self) -> None:
        """Finish what was begun, then let go of the files. Closing twice is fine; so is cancelling: it goes on."""
        if self._closed is None:
            self._closed = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closed)

    async def _close(self) -> None:
        self._hub.close()
        await self._readers.close()
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
