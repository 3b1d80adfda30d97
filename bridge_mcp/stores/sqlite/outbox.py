"""Messages on their way out (`Outbox`)."""

from __future__ import annotations

from bridge_mcp.core.views import Message
from bridge_mcp.stores.sqlite.rows import message as message_of
from bridge_mcp.stores.sqlite.session import Row, Session
from bridge_mcp.stores.sqlite.writer import Writer

__all__ = ["SqliteOutbox"]


class SqliteOutbox:
    """See `ports.Outbox`."""

    def __init__(self, reader: Session, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def due(self, now: float, limit: int, skip: frozenset[str] = frozenset()) -> tuple[Message, ...]:
        # A conversation has at most one row here, so this many hold `limit` that are not to be skipped.
        rows = self._reader.rows("outbox_due", now=now, limit=limit + len(skip))
        return tuple([message_of(row) for row in rows if row[0] not in skip][:limit])

    async def begin(self, conversation: str, seq: int) -> Message | None:
        def work(session: Session) -> Row | None:
            begun = session.run("begin_sending", name=conversation, seq=seq).rowcount
            return session.row("message", name=conversation, seq=seq) if begun else None

        row = await self._writer.do(work, frozenset((conversation,)))
        return None if row is None else message_of(row)

    async def postpone(self, conversation: str, seq: int, until: float, reason: str) -> None:
        def work(session: Session) -> None:
            session.run("postpone", name=conversation, seq=seq, until=until, reason=reason)

        await self._writer.do(work, frozenset((conversation,)))

    async def pending(self) -> int:
        return int(self._reader.value("pending"))

    async def stranded(self) -> tuple[Message, ...]:
        return tuple([message_of(row) for row in self._reader.rows("stranded")])
