"""What happened in the whole bridge (`Feed`)."""

from __future__ import annotations

from collections.abc import Sequence

from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.events import Event, EventType
from bridge_mcp.ports import EventPage
from bridge_mcp.stores.sql.face import Face
from bridge_mcp.stores.sql.rows import dump, event
from bridge_mcp.stores.sql.session import MAX_INLINE_ROWS, Session

__all__ = ["SqlFeed"]

PRUNED_AT_ONCE = 2000
"""Events that one transaction forgets at most: others write in between."""


class SqlFeed(Face):
    """See `ports.Feed`."""

    async def read(
        self,
        after: int,
        limit: int,
        *,
        types: Sequence[EventType] = (),
        conversation: str = "",
        within: frozenset[str] = frozenset(),
    ) -> EventPage:
        """See `ports.Feed`; long or filtered reads run on a worker thread."""
        head, first = await self._reads.short(cursor_span)
        check_cursor(after, head)
        if after == head:
            return EventPage((), head, first_available=first)

        def read(session: Session) -> EventPage:
            return read_page(session, after, limit, types, conversation, within)

        looked_at = head - after if types or conversation or within else min(head - after, limit)
        return await self._reads.short(read) if looked_at <= MAX_INLINE_ROWS else await self._reads.long(read)

    async def head(self, within: frozenset[str] = frozenset()) -> int:
        """The newest cursor; with `within`, that of the newest visible event."""
        if not within:
            return (await self._reads.short(cursor_span))[0]

        def read(session: Session) -> int:
            with session.snapshot():
                _, first = cursor_span(session)
                return max(session.value("newest_cursor_within", within=dump(sorted(within))) or 0, first - 1)

        return await self._reads.long(read)

    async def publish(self, *events: Event) -> None:
        """Add events that belong to no log entry, in one transaction."""
        bodies = [(published, dump(published.body)) for published in events]

        def operation(session: Session) -> None:
            for published, body in bodies:
                session.tell(published.type, published.conversation, at=published.at, body=body)

        if bodies:
            await self._writer.execute(operation, None)

    async def acknowledge(self, consumer: str, cursor: int) -> int:
        """See `ports.Feed`; returns the consumer's cursor, which never moves back."""
        stands_at: int = await self._reads.value("consumer_cursor", name=consumer) or 0
        if cursor <= stands_at:
            return stands_at
        check_cursor(cursor, (await self._reads.short(cursor_span))[0])

        def operation(session: Session) -> int:
            session.put("acknowledge_cursor", name=consumer, cursor=cursor)
            moved: int = session.value("consumer_cursor", name=consumer)
            return moved

        return await self._writer.execute(operation)

    async def prune(self, before_cursor: int) -> int:
        """See `ports.Feed`; deletes in several transactions, so that none takes long."""

        def operation(session: Session) -> int:
            return session.run("delete_events", before=min(before_cursor, 2**63 - 1), limit=PRUNED_AT_ONCE)

        pruned = 0
        while (went := await self._writer.execute(operation)) > 0:
            pruned += went
        return pruned


def cursor_span(session: Session) -> tuple[int, int]:
    """The newest cursor ever given, and the oldest that can be read; one beyond the newest where all were pruned."""
    head, first = session.row("cursor_span") or (0, None)
    return head, head + 1 if first is None else first


def check_cursor(cursor: int, head: int) -> None:
    """Raise where a cursor was never given.

    Raises:
        BadInput: it lies in the future.
    """
    if cursor > head:
        raise BadInput(
            f"The cursor {cursor} lies in the future.",
            fix="Use a cursor as a page of events gave it, or 0 to begin anew.",
        )


def read_page(
    session: Session,
    after: int,
    limit: int,
    types: Sequence[EventType],
    conversation: str,
    within: frozenset[str],
) -> EventPage:
    """The next events as they are at one moment."""
    with session.snapshot():
        head, first = cursor_span(session)
        if types or conversation or within:
            rows = session.rows(
                "events_where",
                after=after,
                upto=head,
                limit=limit,
                types=dump(types),
                conversation=conversation,
                within=dump(sorted(within)),
            )
        else:
            rows = session.rows("events", after=after, upto=head, limit=limit)
    events = tuple([row_event for row_event in map(event, rows) if row_event is not None])
    cursor = head if len(rows) < limit else rows[-1][0] if rows else after
    return EventPage(events, cursor, gap=after + 1 < first, first_available=first)
