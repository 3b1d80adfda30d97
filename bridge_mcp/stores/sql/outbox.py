"""Messages on their way out (`Outbox`), and what the platform calls those that went (`Traces`)."""

from __future__ import annotations

from bridge_mcp.core.projections import Message
from bridge_mcp.stores.sql.face import Face
from bridge_mcp.stores.sql.rows import dump
from bridge_mcp.stores.sql.rows import message as message_of
from bridge_mcp.stores.sql.session import Reads, Row, Session

__all__ = ["SqlOutbox", "SqlTraces"]


class SqlOutbox(Face):
    """See `ports.Outbox`."""

    async def due(
        self, now: float, limit: int, skip: frozenset[str] = frozenset(), channel: str = ""
    ) -> tuple[Message, ...]:
        """See `ports.Outbox`; at most one message for each conversation."""
        # A conversation has at most one row here, so this many hold `limit` that are not to be skipped.
        rows = await self._reads.rows("messages_due", now=now, limit=limit + len(skip), channel=channel)
        return tuple([message_of(row) for row in rows if row[0] not in skip][:limit])

    async def begin(self, conversation: str, seq: int) -> Message | None:
        """See `ports.Outbox`; None if it is no longer queued."""

        def operation(session: Session) -> Row | None:
            begun = session.run("begin_sending", name=conversation, seq=seq)
            return session.row("message", name=conversation, seq=seq) if begun else None

        row = await self._writer.execute(operation, {conversation: 0})
        return None if row is None else message_of(row)

    async def postpone(self, conversation: str, seq: int, until: float, reason: str) -> None:
        """Queue the message again, due at `until` (epoch seconds)."""

        def operation(session: Session) -> None:
            session.put("postpone_message", name=conversation, seq=seq, until=until, reason=reason)

        await self._writer.execute(operation, {conversation: 0})

    async def progress(self, conversation: str, seq: int, parts: int, platform_ids: tuple[str, ...]) -> None:
        """Note the parts that went out, and their ids."""

        def operation(session: Session) -> None:
            session.put(
                "set_message_progress", name=conversation, seq=seq, parts=parts, platform_ids=dump(platform_ids)
            )

        await self._writer.execute(operation, {conversation: 0})

    async def pending(self, within: frozenset[str] = frozenset()) -> int:
        """How many messages are queued or being sent."""
        return int(await self._reads.value("count_pending_messages", within=dump(sorted(within))))

    async def stranded(self) -> tuple[Message, ...]:
        """The messages that are marked as being sent."""
        return tuple([message_of(row) for row in await self._reads.rows("messages_being_sent")])


class SqlTraces:
    """See `ports.Traces`."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def message(self, conversation: str, platform_id: str) -> int | None:
        """The seq of the message with this id on the platform; None for none."""
        seq: int | None = await self._reads.value("seq_of_platform_id", name=conversation, id=platform_id)
        if seq is None:
            seq = await self._reads.value("seq_of_key_in", name=conversation, key=f"heard:{platform_id}")
        return seq

    async def platform_id(self, conversation: str, seq: int) -> str:
        """Returns "" for a message that did not come from the platform."""
        key: str = await self._reads.value("key_of_entry", name=conversation, seq=seq) or ""
        return key.removeprefix("heard:") if key.startswith("heard:") else ""

    async def posted(self, conversation: str, key: str) -> int | None:
        """The seq of the message with this key; None for none."""
        return await self._reads.value("seq_of_key_in", name=conversation, key=f"posted:{key}")

    async def answer(self, conversation: str, question: int) -> int | None:
        """The seq of the message that answered a question; None for none."""
        return await self._reads.value("answer_of_question", name=conversation, seq=question)

    async def button(self, token: str) -> tuple[str, int] | None:
        """Conversation and seq of the message with this button; None for none."""
        row = await self._reads.row("button_row", token=token)
        return None if row is None else (row[0], row[1])
