"""Messages on their way out (`Outbox`), and what the platform calls those that went (`Traces`)."""

from __future__ import annotations

from bridge_mcp.core.projections import Message
from bridge_mcp.stores.sqlite.rows import dump
from bridge_mcp.stores.sqlite.rows import message as message_of
from bridge_mcp.stores.sqlite.session import Row, Session
from bridge_mcp.stores.sqlite.writer import Writer

__all__ = ["SqliteOutbox", "SqliteTraces"]


class SqliteOutbox:
    """See `ports.Outbox`."""

    def __init__(self, reader: Session, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def due(self, now: float, limit: int, skip: frozenset[str] = frozenset()) -> tuple[Message, ...]:
        """See `ports.Outbox`; at most one message for each conversation."""
        # A conversation has at most one row here, so this many hold `limit` that are not to be skipped.
        rows = self._reader.rows("messages_due", now=now, limit=limit + len(skip))
        return tuple([message_of(row) for row in rows if row[0] not in skip][:limit])

    async def begin(self, conversation: str, seq: int) -> Message | None:
        """See `ports.Outbox`; None if it is no longer queued."""

        def operation(session: Session) -> Row | None:
            begun = session.run("begin_sending", name=conversation, seq=seq).rowcount
            return session.row("message", name=conversation, seq=seq) if begun else None

        row = await self._writer.execute(operation, {conversation: 0})
        return None if row is None else message_of(row)

    async def postpone(self, conversation: str, seq: int, until: float, reason: str) -> None:
        """Queue the message again, due at `until` (epoch seconds)."""

        def operation(session: Session) -> None:
            session.run("postpone_message", name=conversation, seq=seq, until=until, reason=reason)

        await self._writer.execute(operation, {conversation: 0})

    async def progress(self, conversation: str, seq: int, parts: int, platform_ids: tuple[str, ...]) -> None:
        """Note the parts that went out, and their ids."""

        def operation(session: Session) -> None:
            session.run(
                "set_message_progress", name=conversation, seq=seq, parts=parts, platform_ids=dump(platform_ids)
            )

        await self._writer.execute(operation, {conversation: 0})

    async def pending(self, within: frozenset[str] = frozenset()) -> int:
        """How many messages are queued or being sent."""
        return int(self._reader.value("count_pending_messages", within=dump(sorted(within))))

    async def stranded(self) -> tuple[Message, ...]:
        """The messages that are marked as being sent."""
        return tuple([message_of(row) for row in self._reader.rows("messages_being_sent")])


class SqliteTraces:
    """See `ports.Traces`."""

    def __init__(self, reader: Session) -> None:
        self._reader = reader

    async def message(self, conversation: str, platform_id: str) -> int | None:
        """The seq of the message with this id on the platform; None for none."""
        found: int | None = self._reader.value("seq_of_platform_id", name=conversation, id=platform_id)
        if found is None:
            found = self._reader.value("seq_of_key_in", name=conversation, key=f"heard:{platform_id}")
        return found

    async def platform_id(self, conversation: str, seq: int) -> str:
        """Returns "" for a message that did not come from the platform."""
        key: str = self._reader.value("key_of_entry", name=conversation, seq=seq) or ""
        return key.removeprefix("heard:") if key.startswith("heard:") else ""

    async def posted(self, conversation: str, key: str) -> int | None:
        """The seq of the message with this key; None for none."""
        found: int | None = self._reader.value("seq_of_key_in", name=conversation, key=f"posted:{key}")
        return found

    async def answer(self, conversation: str, question: int) -> int | None:
        """The seq of the message that answered a question; None for none."""
        found: int | None = self._reader.value("answer_of_question", name=conversation, seq=question)
        return found

    async def button(self, token: str) -> tuple[str, int] | None:
        """Conversation and seq of the message with this button; None for none."""
        row = self._reader.row("button_row", token=token)
        return None if row is None else (row[0], row[1])
