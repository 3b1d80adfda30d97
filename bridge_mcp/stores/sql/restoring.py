"""What a restored store must not go on with by itself (`Restoring`)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from bridge_mcp.ports import HeldBack, Pairing
from bridge_mcp.stores.sql.clients import client
from bridge_mcp.stores.sql.face import Face
from bridge_mcp.stores.sql.rows import grant
from bridge_mcp.stores.sql.session import Session

__all__ = ["SqlRestoring"]

NEW_IDENTITY = (
    *("delete_all_events", "forget_newest_cursor"),
    *("hold_back_clients", "delete_all_clients", "hold_back_grants", "delete_all_grants"),
    *("hold_back_pairings", "delete_all_pairings"),
    *("delete_all_subscriptions", "delete_all_callbacks", "delete_all_claims"),
    *("delete_all_face_sessions", "delete_all_face_subscriptions", "delete_all_face_notes"),
    *("delete_all_pairing_requests", "delete_all_first_messages", "delete_all_secrets", "delete_all_status"),
)
"""The statements that leave nothing behind which only the store of before may use."""


class SqlRestoring(Face):
    """See `ports.Restoring`."""

    async def begin_anew(self, cursor: int) -> None:
        """See `ports.Restoring`; in one transaction."""

        def operation(session: Session) -> None:
            for statement in NEW_IDENTITY:
                session.put(statement)
            session.put("set_newest_cursor", cursor=cursor)

        await self._writer.execute(operation, None)

    async def unfinished(self) -> tuple[str, ...]:
        """In the order in which they began."""
        return tuple([name for (name,) in await self._reads.rows("unfinished_conversations")])

    async def unsent(self, conversation: str) -> Mapping[int, tuple[str, ...]]:
        """In order of their seqs."""
        rows = await self._reads.rows("unsent_messages", name=conversation)
        return {seq: tuple(json.loads(platform_ids)) for seq, platform_ids in rows}

    async def questions(self, conversation: str) -> tuple[int, ...]:
        """In order."""
        return tuple([seq for (seq,) in await self._reads.rows("unanswered_questions", name=conversation)])

    async def held_back(self) -> HeldBack:
        """In the order in which they were made."""
        return await self._reads.short(held_back)

    async def let_in(self) -> HeldBack:
        """See `ports.Restoring`; nothing is written where nothing is held back."""
        if not await self._reads.short(held_back):
            return HeldBack()

        def operation(session: Session) -> HeldBack:
            held_rows = held_back(session)
            for statement in ("let_in_clients", "let_in_grants", "let_in_pairings", "delete_held_back"):
                session.put(statement)
            return held_rows

        return await self._writer.execute(operation, None)


def held_back(session: Session) -> HeldBack:
    """The rows as they were before they were put off."""
    clients, grants, pairings = (
        [json.loads(body) for (body,) in session.rows("held_back", kind=kind)] for kind in KINDS
    )
    return HeldBack(
        tuple([client(row) for row in clients]),
        tuple([grant(row) for row in grants]),
        tuple([Pairing(*row) for row in pairings]),
    )


KINDS = ("client", "grant", "pairing")
