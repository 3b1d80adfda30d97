"""Which conversations have something to do (`Agenda`)."""

from __future__ import annotations

from bridge_mcp.ports import Changes, Clock
from bridge_mcp.stores.sqlite.session import Session
from bridge_mcp.stores.sqlite.watch import Hub
from bridge_mcp.stores.sqlite.writer import Writer

__all__ = ["SqliteAgenda"]


class SqliteAgenda:
    """See `ports.Agenda`."""

    def __init__(self, reader: Session, writer: Writer, hub: Hub, clock: Clock) -> None:
        self._reader = reader
        self._writer = writer
        self._hub = hub
        self._clock = clock

    async def due(self, now: float, limit: int) -> tuple[str, ...]:
        return tuple([name for (name,) in self._reader.rows("due", now=now, limit=limit)])

    async def next_due(self, after: float) -> float | None:
        found: float | None = self._reader.value("next_due", after=after)
        return found

    async def rest(self, conversation: str, expected: int, until: float | None) -> bool:
        _, head, wake = self._reader.row("standing", name=conversation) or (0, 0, None)
        if head != expected or wake == until:
            # Nothing to write; most rests end here, because the append before has said when to wake.
            return bool(head == expected)
        now = self._clock.now()

        def work(session: Session) -> bool:
            row = session.row("standing", name=conversation)
            if row is None or row[1] != expected:
                return False
            session.run("rest", id=row[0], wake_at=None if until is None else max(0.0, until), due_since=now)
            return True

        # Resting changes no entry and gives nobody anything to do: own watchers need not hear of it.
        return await self._writer.do(work)

    def watch(self) -> Changes:
        return self._hub.subscribe()
