"""The conversations' logs (`LogStore`): reading them, and the three ways to append."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Set

from bridge_mcp.core.entries import Entry, Failed, Judged, Logged, Replied, Summarised, wakes
from bridge_mcp.core.errors import Conflict
from bridge_mcp.core.unreadable import UnreadableEntry, kind_of
from bridge_mcp.ports import SHORT_TAIL, ChannelOffset, Clock, Recorded
from bridge_mcp.stores.sql.appends import Append, prepare
from bridge_mcp.stores.sql.rows import logged, logged_or_unreadable
from bridge_mcp.stores.sql.session import MAX_INLINE_ROWS, Reads, Session
from bridge_mcp.stores.sql.writer import Changed, Writer

__all__ = ["SqlLog"]


class SqlLog:
    """See `ports.LogStore`."""

    def __init__(self, reads: Reads, writer: Writer, clock: Clock, delivered_by_commit: Set[str]) -> None:
        self._reads = reads
        self._writer = writer
        self._clock = clock
        self._delivered = delivered_by_commit

    async def entry(self, conversation: str, seq: int) -> Logged | None:
        """See `ports.LogStore`."""
        page = await self.load(conversation, seq - 1, first=1)
        return page[0] if page and page[0].seq == seq else None

    async def load(
        self, conversation: str, after: int = -1, *, first: int | None = None, last: int | None = None
    ) -> tuple[Logged, ...]:
        """See `ports.LogStore`; long reads run on a worker thread."""
        if last is None:
            bound = MAX_INLINE_ROWS + 1 if first is None else min(first, MAX_INLINE_ROWS + 1)
            rows = await self._reads.rows("entries_after", name=conversation, after=after, most=bound)
            if len(rows) <= MAX_INLINE_ROWS:
                return tuple([logged(conversation, seq, at, body) for seq, at, body in rows])
        row = await self._reads.row("conversation_head", name=conversation)
        if row is None:
            return ()
        place, head = row
        # There are no holes: the last so many entries are those from this seq on.
        start = max(0, after + 1, 0 if last is None else head - last)
        end = head if first is None else min(head, start + first)
        if start >= end:
            return ()

        def read(session: Session) -> tuple[Logged, ...]:
            rows = session.rows("entries_between", id=place, first=start, head=end)
            return tuple([logged(conversation, seq, at, body) for seq, at, body in rows])

        return await self._reads.short(read) if end - start <= MAX_INLINE_ROWS else await self._reads.long(read)

    async def tail(self, conversation: str, limit: int = SHORT_TAIL) -> tuple[Logged, ...]:
        """See `ports.LogStore`; long reads run on a worker thread."""

        def entries(session: Session, most: int = sys.maxsize) -> tuple[Logged, ...]:
            rows = session.rows("entries_of_tail", name=conversation, limit=limit, most=most)
            return tuple([logged(conversation, seq, at, body) for seq, at, body in rows])

        short = await self._reads.short(lambda session: entries(session, MAX_INLINE_ROWS + 1))
        return short if len(short) <= MAX_INLINE_ROWS else await self._reads.long(entries)

    async def read(self, conversation: str, after: int = -1, *, first: int) -> tuple[Logged | UnreadableEntry, ...]:
        """See `ports.LogStore`; long reads run on a worker thread."""

        def entries(session: Session, most: int = first) -> tuple[Logged | UnreadableEntry, ...]:
            rows = session.rows("entries_after", name=conversation, after=after, most=most)
            return tuple([logged_or_unreadable(conversation, seq, at, body) for seq, at, body in rows])

        short = await self._reads.short(lambda session: entries(session, min(first, MAX_INLINE_ROWS + 1)))
        return short if len(short) <= MAX_INLINE_ROWS else await self._reads.long(entries)

    async def calls_since(self, moment: float, limit: int) -> tuple[tuple[str, str], ...]:
        """See `ports.LogStore`; runs on a worker thread."""

        def newest(session: Session) -> tuple[tuple[str, str], ...]:
            return tuple([(name, call) for name, call, _ in session.rows("calls_since", moment=moment, most=limit)])

        return (await self._reads.long(newest))[::-1]

    async def last_kinds(self, prefix: str) -> Mapping[str, str]:
        """See `ports.LogStore`."""
        rows = await self._reads.rows("last_entries", first=prefix, end=f"{prefix}\U0010ffff")
        return {str(name): kind_of(str(body)) for name, body in rows}

    async def unsettled(self, conversation: str) -> int | None:
        """See `ports.LogStore`."""
        return await self._reads.value("conversation_unsettled", name=conversation)

    async def cleared(self, conversation: str) -> int:
        """See `ports.LogStore`; -1 for never."""
        seq: int | None = await self._reads.value("conversation_cleared", name=conversation)
        return -1 if seq is None else seq

    async def find(self, conversation: str, key: str) -> Logged | None:
        """See `ports.LogStore`."""
        row = await self._reads.row("entry_of_key", name=conversation, key=key)
        return None if row is None else logged(conversation, *row)

    async def intend(
        self, conversation: str, expected: int, *entries: Entry, wake: float | None = 0.0, patient: bool = False
    ) -> tuple[Logged, ...]:
        """See `ports.LogStore`; raises Conflict and writes nothing unless the log ends at `expected`."""
        prepared = [prepare(entry) for entry in entries]
        now, heads = self._clock.now(), {conversation: 0}

        def operation(session: Session) -> tuple[Logged, ...]:
            append = Append(session, conversation, now, self._delivered)
            if append.head != expected:
                raise Conflict(
                    f"{conversation}: the next entry is {append.head}, not {expected}: somebody else appended first.",
                    fix="Load the log again.",
                )
            for new in prepared:
                if new.key is not None and append.seq_of(new.key) is not None:
                    raise Conflict(f"{conversation}: '{new.key}' is in the log already.", fix="Load the log again.")
            added = tuple([entry for entry in map(append.add, prepared) if entry is not None])
            append.set_wake(wake)
            append.close()
            heads[conversation] = append.head
            return added

        keys = [(conversation, new.key) for new in prepared if new.key is not None]
        return (
            await self._writer.execute(operation, changed(heads, entries), keys=keys, patient=patient)
            if prepared
            else ()
        )

    async def record(
        self, conversation: str, *entries: Entry, offset: ChannelOffset | None = None
    ) -> tuple[Recorded, ...]:
        """See `ports.LogStore`; entries, offset and all that follows from them in one transaction."""
        prepared = [prepare(entry) for entry in entries]
        now, heads = self._clock.now(), {conversation: 0}

        def operation(session: Session) -> tuple[Recorded, ...]:
            append = Append(session, conversation, now, self._delivered)
            recorded: list[Recorded] = []
            for entry in prepared:
                added = append.add(entry)
                if added is None:
                    recorded.append(Recorded(append.seq_of(entry.key) or 0, new=False))
                    continue
                recorded.append(Recorded(added.seq, new=True))
                if wakes(entry.entry):
                    append.set_wake(0.0)
            if any(result.new for result in recorded):
                append.close()
            if offset is not None:
                session.hold_channel(offset.channel)
                session.put("set_channel_offset", channel=offset.channel, offset=offset.offset)
            heads[conversation] = append.head
            return tuple(recorded)

        keys = [(conversation, new.key) for new in prepared if new.key is not None]
        return await self._writer.execute(operation, changed(heads, entries), keys=keys) if prepared else ()

    async def answer(
        self, conversation: str, started: int, entry: Replied | Summarised | Failed, wake: float | None = 0.0
    ) -> Logged | None:
        """See `ports.LogStore`; None and nothing written if another model call has begun."""
        prepared = prepare(entry)
        now, heads = self._clock.now(), {conversation: 0}

        def operation(session: Session) -> Logged | None:
            append = Append(session, conversation, now, self._delivered)
            if append.calling != started:
                return None
            came_in = append.woken > started
            added = append.add(prepared)
            if added is not None:
                append.set_wake(0.0 if came_in else wake)
                append.close()
            heads[conversation] = append.head
            return added

        return await self._writer.execute(operation, heads)


def changed(heads: Changed, entries: tuple[Entry, ...]) -> Changed:
    """What an append changes: its conversation; a verdict that is remembered may wake others."""
    if any(isinstance(entry, Judged) and entry.remember != "once" for entry in entries):
        return None
    return heads
