"""What a restored store must not go on with by itself (`Restoring`)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from bridge_mcp.ports import HeldBack
from bridge_mcp.stores.sqlite.clients import client
from bridge_mcp.stores.sqlite.rows import grant
from bridge_mcp.stores.sqlite.session import Session
from bridge_mcp.stores.sqlite.writer import Writer

__all__ = ["SqliteRestoring"]

NEW_IDENTITY = (
    *("delete_all_events", "forget_newest_cursor"),
    *("hold_back_clients", "delete_all_clients", "hold_back_grants", "delete_all_grants"),
    *("delete_all_subscriptions", "delete_all_callbacks", "delete_all_claims"),
    *("delete_all_pairing_requests", "delete_all_first_messages", "delete_all_secrets", "delete_all_status"),
)
"""The statements that leave nothing behind which only the store of before may use."""


class SqliteRestoring:
    """See `ports.Restoring`."""

    def __init__(self, reader: Session, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def begin_anew(self, cursor: int) -> None:
        """See `ports.Restoring`; in one transaction."""

        def operation(session: Session) -> None:
            for statement in NEW_IDENTITY:
                session.run(statement)
            session.run("set_newest_cursor", cursor=cursor)

        await self._writer.execute(operation, None)

    async def unfinished(self) -> tuple[str, ...]:
        """In the order in which they began."""
        return tuple([name for (name,) in self._reader.rows("unfinished_conversations")])

    async def unsent(self, conversation: str) -> Mapping[int, tuple[str, ...]]:
        """In order of their seqs."""
        rows = self._reader.rows("unsent_messages", name=conversation)
        return {seq: tuple(json.loads(platform_ids)) for seq, platform_ids in rows}

    async def questions(self, conversation: str) -> tuple[int, ...]:
        """In order."""
        return tuple([seq for (seq,) in self._reader.rows("unanswered_questions", name=conversation)])

    async def held_back(self) -> HeldBack:
        """In the order in which they were made."""
        return held_back(self._reader)

    async def let_in(self) -> HeldBack:
        """See `ports.Restoring`; nothing is written where nothing is held back."""
        if not held_back(self._reader):
            return HeldBack()

        def operation(session: Session) -> HeldBack:
            found = held_back(session)
            for statement in ("let_in_clients", "let_in_grants", "delete_held_back"):
                session.run(statement)
            return found

        return await self._writer.execute(operation, None)


def held_back(session: Session) -> HeldBack:
    """The rows as they were before they were put off."""
    clients, grants = ([json.loads(body) for (body,) in session.rows("held_back", kind=kind)] for kind in KINDS)
    return HeldBack(tuple([client(row) for row in clients]), tuple([grant(row) for row in grants]))


KINDS = ("client", "grant")
