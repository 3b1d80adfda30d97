"""Which conversations have something to do (`Agenda`)."""

from __future__ import annotations

from bridge_mcp.core.redate import AHEAD_S
from bridge_mcp.ports import Changes, Clock
from bridge_mcp.stores.sql.session import Reads, Session
from bridge_mcp.stores.sql.watch import Hub
from bridge_mcp.stores.sql.writer import Writer

__all__ = ["SqlAgenda"]

LONGEST_WAIT_S = 600.0
"""How long a message waits at most to be sent, when a new engine begins."""


class SqlAgenda:
    """See `ports.Agenda`."""

    def __init__(self, reads: Reads, writer: Writer, hub: Hub, clock: Clock) -> None:
        self._reads = reads
        self._writer = writer
        self._hub = hub
        self._clock = clock

    async def due(self, now: float, limit: int) -> tuple[str, ...]:
        """See `ports.Agenda`."""
        return tuple([name for (name,) in await self._reads.rows("conversations_due", now=now, limit=limit)])

    async def next_due(self, after: float) -> float | None:
        """Epoch seconds; None if nothing is due later."""
        return await self._reads.value("next_due_at", after=after)

    async def waiting(self, limit: int) -> tuple[str, ...]:
        """See `ports.Agenda`; each conversation once."""
        return tuple(dict.fromkeys(name for (name,) in await self._reads.rows("conversations_waiting", limit=limit)))

    async def rest(self, conversation: str, expected: int, until: float | None) -> bool:
        """See `ports.Agenda`; writes only if the time to wake has changed."""
        _, head, wake = await self._reads.row("agenda_row", name=conversation) or (0, 0, None)
        if head != expected or wake == until:
            # Nothing to write; most rests end here, because the append before has said when to wake.
            return bool(head == expected)
        now = self._clock.now()

        def operation(session: Session) -> bool:
            row = session.row("agenda_row_to_write", name=conversation)
            if row is None or row[1] != expected:
                return False
            session.put("set_wake", id=row[0], wake_at=None if until is None else max(0.0, until), due_since=now)
            return True

        # Resting changes no entry and gives nobody anything to do: own watchers need not hear of it.
        return await self._writer.execute(operation)

    async def set_back(self, now: float, by: float) -> None:
        """Move wake-ups, messages, grants and pairing requests by `by` seconds, in one transaction."""

        def operation(session: Session) -> None:
            for statement in ("shift_wakes", "shift_messages"):
                session.put(statement, now=now, by=by)
            for statement in ("shift_grants", "shift_pairing_requests"):
                session.put(statement, by=by)

        await self._writer.execute(operation, None)

    async def take_over(self, now: float) -> None:
        """See `ports.Agenda`; writes only if there are times in the future."""
        holder = await self._reads.value(
            "has_times_from_the_future", now=now, ahead=now + AHEAD_S, latest=now + LONGEST_WAIT_S
        )
        if not holder:
            return

        def operation(session: Session) -> None:
            session.put("wake_conversations_from_the_future", now=now, ahead=now + AHEAD_S)
            session.put("send_messages_from_the_future", latest=now + LONGEST_WAIT_S)

        await self._writer.execute(operation, None)

    def watch(self, *, conversations: bool = True) -> Changes:
        """A subscription to commits, of any process."""
        return self._hub.subscribe(conversations=conversations)
