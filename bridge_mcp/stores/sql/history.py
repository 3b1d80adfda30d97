"""Messages and conversations for people and lists (`History`)."""

from __future__ import annotations

from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import CALLS, Scheduled
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.projections import Conversation, Message
from bridge_mcp.core.words import Query, holds, parse_query
from bridge_mcp.stores.sql.face import Face
from bridge_mcp.stores.sql.places import channel_term, conversation_term
from bridge_mcp.stores.sql.rows import conversation as conversation_of
from bridge_mcp.stores.sql.rows import is_within, logged
from bridge_mcp.stores.sql.rows import message as message_of
from bridge_mcp.stores.sql.session import MAX_INLINE_ROWS, Row, Session

__all__ = ["SqlHistory"]


MAX_OPEN_QUESTIONS = 20

LOOKED_AT_ONCE, MAX_LOOKS = 100, 100
"""Messages whose texts are looked at together, where the index alone cannot tell; and how often a search does."""

END = 2**62
"""Beyond every seq and id."""


class SqlHistory(Face):
    """See `ports.History`."""

    async def conversation(self, conversation: str) -> Conversation | None:
        """None for an unknown one."""
        row = await self._reads.row("conversation", name=conversation)
        return None if row is None else conversation_of(row)

    async def questions(self, conversation: str, now: float) -> tuple[Message, ...]:
        """See `ports.History`."""
        rows = await self._reads.rows("open_questions", name=conversation, now=now, limit=MAX_OPEN_QUESTIONS)
        return tuple([message_of(row) for row in rows])

    async def conversations(
        self, *, within: frozenset[str] = frozenset(), query: str = "", limit: int = 50, cursor: str = ""
    ) -> tuple[tuple[Conversation, ...], str]:
        """See `ports.History`; with a query it reads every conversation, on a worker thread."""
        before = parse_cursor(cursor)

        def read(session: Session) -> list[Row]:
            return latest_conversations(session, within, query.casefold(), limit + 1, before)

        # A query looks at every conversation.
        rows = await self._reads.long(read) if query or limit > MAX_INLINE_ROWS else await self._reads.short(read)
        following = f"{rows[limit - 1][5]!r}:{rows[limit - 1][9]}" if len(rows) > limit > 0 else ""
        return tuple([conversation_of(row) for row in rows[:limit]]), following

    async def messages(self, conversation: str, *, before: int | None = None, limit: int = 50) -> tuple[Message, ...]:
        """See `ports.History`; long pages are read on a worker thread."""

        def read(session: Session) -> tuple[Message, ...]:
            rows = session.rows(
                "messages_before", name=conversation, before=END if before is None else before, limit=limit
            )
            return tuple([message_of(row) for row in reversed(rows)])

        return await self._reads.short(read) if limit <= MAX_INLINE_ROWS else await self._reads.long(read)

    async def message(self, conversation: str, seq: int) -> Message | None:
        """None for none. Raises `Unreadable` for a damaged one."""
        row = await self._reads.row("message", name=conversation, seq=seq)
        return None if row is None else message_of(row)

    async def scheduled(self, first: str, end: str, limit: int) -> tuple[tuple[str, Scheduled], ...]:
        """See `ports.History`; in a thread."""
        rows = await self._reads.long(
            lambda session: session.rows("scheduled_entries", first=first, end=end, limit=limit)
        )
        entries = ((name, logged(name, 0, 0.0, body).entry) for name, body in rows)
        return tuple([(name, entry) for name, entry in entries if isinstance(entry, Scheduled)])

    async def search(
        self, query: str, *, conversation: str = "", within: frozenset[str] = frozenset(), limit: int = 20
    ) -> tuple[Message, ...]:
        """See `ports.History`; indexes new messages first, if the index is behind."""
        if conversation and not is_within(conversation, within):
            return ()
        parsed = parse_query(query)
        if parsed is None:
            return ()
        places = await self._places(frozenset((conversation,)) if conversation else within, topics=not conversation)
        if places == []:
            return ()
        while await self._reads.short(lambda session: session.words.is_behind(session)):
            await self._writer.execute(lambda session: session.words.take_in(session))

        def read(session: Session) -> tuple[Message, ...]:
            return tuple(search_messages(session, parsed, places, limit))

        return await self._reads.long(read)

    async def _places(self, within: frozenset[str], *, topics: bool) -> list[str] | None:
        """The words by which the index knows these places; None for everywhere, nothing where they do not exist."""
        if not within:
            return None
        names: list[str] = []
        for place in sorted(within):
            if "/" not in place:
                names.append(channel_term(place))
                continue
            below, beyond = (f"{place}/", f"{place}0") if topics else ("", "")
            rows = await self._reads.rows("conversations_of_chat", name=place, below=below, beyond=beyond)
            names += [conversation_term(row[9]) for row in rows]
        return names


def search_messages(session: Session, parsed: Query, places: list[str] | None, limit: int) -> list[Message]:
    """The newest messages that have what is asked for: by the index, and by their texts where that takes a look."""
    messages: list[Message] = []
    before, at_once = END, limit if not parsed.phrases else max(limit, LOOKED_AT_ONCE)
    for _ in range(MAX_LOOKS):
        rows = session.words.search(session, parsed, places, before, at_once)
        messages += [message for message in map(message_of, rows) if holds(message.text, parsed.phrases)]
        if len(rows) < at_once or len(messages) >= limit:
            break
        before = rows[-1][11]
    return messages[:limit]


def latest_conversations(
    session: Session, within: frozenset[str], query: str, limit: int, before: tuple[float, int]
) -> list[Row]:
    """The most recent conversations: each channel's, and those of single chats, merged."""
    last_at, last_id = before
    chats = frozenset(place for place in within if "/" in place)
    with session.snapshot():
        channels = within - chats if within else {channel for (channel,) in session.rows("channels")}
        rows: list[Row] = []
        for channel in channels - {CALLS}:
            place = {"channel": channel, "last_at": last_at, "id": last_id, "limit": limit}
            if query:
                rows += session.rows("conversations_of_channel_like", **place, query=query)
            else:
                rows += session.rows("conversations_of_channel", **place)
        for chat in chats:
            if Address.of(chat).channel not in channels | {CALLS}:
                of_chat = session.rows("conversations_of_chat", name=chat, below=f"{chat}/", beyond=f"{chat}0")
                rows += [row for row in of_chat if (row[5], row[9]) < before and is_named(row, query)]
    rows.sort(key=lambda row: (row[5], row[9]), reverse=True)
    return rows[:limit]


def is_named(row: Row, query: str) -> bool:
    """Whether a conversation's name or title holds the query, as `conversations_of_channel_like` looks for it."""
    return query in f"{row[0]}\n{row[2]}".casefold()


def parse_cursor(cursor: str) -> tuple[float, int]:
    """The place in the list that a cursor names: last_at and id of the last conversation before it.

    Raises:
        BadInput: it was not given by this store.
    """
    if not cursor:
        return float("inf"), END
    at, _, number = cursor.partition(":")
    try:
        return float(at), min(int(number), END)
    except ValueError:
        raise BadInput(f"'{cursor[:80]}' is not a cursor.", fix="Use one as a page of conversations gave it.") from None
