"""The store as one object: its faces over one writer, reads in threads, and a thread that listens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Mapping, Set
from contextlib import closing, contextmanager, nullcontext

from bridge_mcp.core.errors import StoreError
from bridge_mcp.ports import Clock, StoreHealth
from bridge_mcp.stores.postgres.callers import PostgresCallers
from bridge_mcp.stores.postgres.compact import checkpointed, written_anew
from bridge_mcp.stores.postgres.connecting import ANSWER_S, CONNECT_S, Database
from bridge_mcp.stores.postgres.migrate import migrate, newest
from bridge_mcp.stores.postgres.reads import AT_ONCE, PostgresReads
from bridge_mcp.stores.postgres.session import Session
from bridge_mcp.stores.postgres.watch import Watcher
from bridge_mcp.stores.postgres.workers import PostgresWorkers
from bridge_mcp.stores.sql.faces import Faces
from bridge_mcp.stores.sql.forgetting import Compaction
from bridge_mcp.stores.sql.owner import Owner
from bridge_mcp.stores.sql.watch import Hub
from bridge_mcp.stores.sql.writer import Writer

__all__ = ["PostgresStore", "open_store"]

CLOSE_S = 5.0
"""How long closing waits for answers of Postgres; then its connections are cut."""


class PostgresStore(Faces):
    """See `ports.Store`. Belongs to the event loop that uses it first."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        delivered_by_commit: Set[str] = frozenset(),
        owner: Owner = nullcontext,
        direct_url: str = "",
        wait_s: float = CONNECT_S,
        reads_at_once: int = AT_ONCE,
    ) -> None:
        """Open the store in a database, and make it first where there is none.

        On the channels `delivered_by_commit`, a message that is committed counts as sent. An older store is migrated
        within `owner`, which raises a `StoreError` where that is not for this process to do. A Postgres that cannot be
        reached is waited for, `wait_s` seconds. Where `url` leads to a pooler, `direct_url` leads around it: so it
        listens, migrates and is cleared up.

        Raises:
            ConfigError: the URL cannot be read.
            NewerSchema: a newer bridge_mcp has been here.
            StoreError: the database cannot be reached, or holds something else.
        """
        self.database = Database(url)
        direct = Database(direct_url or url)
        migrate(direct, owner, wait_s=wait_s)
        hub = Hub()
        reads = PostgresReads(self.database, newest(), reads_at_once)
        self._writing = Session(self.database, newest(), reading=False, answer_s=ANSWER_S)
        self._watcher = Watcher(direct, hub.notify_of_others, self._writing.committed)
        writer = Writer(self._writing, hub.notify)
        hub.on_watched = self._watcher.watch
        self._hub, self._writer, self._readers = hub, writer, reads
        self._closed: asyncio.Task[None] | None = None
        compaction = Compaction(lambda: written_anew(direct), lambda: checkpointed(direct))
        self.workers = PostgresWorkers(reads)
        self.callers = PostgresCallers(reads, writer)
        super().__init__(
            reads, writer, hub, clock=clock, delivered_by_commit=delivered_by_commit, compaction=compaction
        )

    def fence_by(self, fences: Mapping[str, int]) -> None:
        """Store what comes from a channel only while its lease is held: `fences` always has those of now, by name."""
        self._writing.fences = fences

    @contextmanager
    def hearing(self, channel: str, hear: Callable[[], object]) -> Generator[None]:
        """Have `hear` called after notices of a channel of Postgres: they are hints, and may be lost."""
        with closing(self._hub.subscribe(conversations=False)), self._watcher.hearing(channel, hear):
            yield

    def health(self) -> StoreHealth:
        """See `ports.Store`."""
        since = self._writing.waits_since
        waits_s = 0.0 if since is None else time.monotonic() - since
        held = f"Postgres ({self.database.place}) cannot be reached." if waits_s > 1 else ""
        return StoreHealth(self._writer.written_at, self._writer.failure, waits_s, held=held)

    async def damage(self) -> str:
        """What Postgres finds broken when all logs and messages are read; "" for nothing."""
        try:
            await self._readers.long(lambda session: session.rows("read_all"))
        except StoreError as exc:
            return str(exc)
        return ""

    async def close(self) -> None:
        """Finish what was begun, then close the connections. Closing twice is fine; so is cancelling: it goes on."""
        if self._closed is None:
            self._closed = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closed)

    async def _close(self) -> None:
        self._hub.close()
        giving_up = asyncio.create_task(self._give_up(), name="giving up on Postgres")
        try:
            await self._watcher.close()
            await self._readers.close()
            await self._writer.close()
        finally:
            giving_up.cancel()

    async def _give_up(self) -> None:
        """After a while, wait no longer for a Postgres that stands still: no process may live on for that."""
        while True:
            await asyncio.sleep(CLOSE_S)
            for each in (self._watcher, self._readers, self._writing):
                each.give_up()


async def open_store(
    url: str,
    *,
    clock: Clock,
    delivered_by_commit: Set[str] = frozenset(),
    owner: Owner = nullcontext,
    direct_url: str = "",
    wait_s: float = CONNECT_S,
    reads_at_once: int = AT_ONCE,
) -> PostgresStore:
    """Open the store at a URL without holding up the event loop; see `PostgresStore`."""
    return await asyncio.to_thread(
        PostgresStore,
        url,
        clock=clock,
        delivered_by_commit=delivered_by_commit,
        owner=owner,
        direct_url=direct_url,
        wait_s=wait_s,
        reads_at_once=reads_at_once,
    )
