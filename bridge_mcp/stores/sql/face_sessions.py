"""Sessions that any process on the store can serve (`FaceSessions`)."""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import asdict

from bridge_mcp.ports import FaceNote, FaceSession, FaceSessionKind
from bridge_mcp.stores.sql.face import Face
from bridge_mcp.stores.sql.rows import dump
from bridge_mcp.stores.sql.session import Session

__all__ = ["SqlFaceSessions"]

NOTES_S = 60.0
"""How long notes are kept: whoever they are for reads them within seconds."""


class SqlFaceSessions(Face):
    """See `ports.FaceSessions`."""

    async def get(self, id: str) -> FaceSession | None:
        """One lookup by key."""
        row = await self._reads.row("face_session", id=id)
        return None if row is None else FaceSession(*row)

    async def put(self, session: FaceSession, *, at_most: int) -> None:
        """See `ports.FaceSessions`; the one that is put is among those that stay."""

        def operation(stored: Session) -> None:
            stored.put("put_face_session", **asdict(session))
            many = stored.rows("face_sessions_too_many", kind=session.kind, client=session.client, at_most=at_most)
            for (id,) in many:
                delete(stored, id)

        await self._writer.execute(operation, None)

    async def used(self, id: str, at: float) -> None:
        """Tells nobody: it changes nothing that anybody waits for."""
        await self._writer.execute(lambda session: session.put("use_face_session", id=id, at=at))

    async def end(self, id: str, note: FaceNote | None, at: float) -> bool:
        """Writes only if there is one."""
        if await self.get(id) is None:
            return False

        def operation(session: Session) -> bool:
            existed = delete(session, id)
            if note is not None:
                write(session, note, at)
            return existed

        return await self._writer.execute(operation, None)

    async def end_old(self, kind: FaceSessionKind, *, idle_since: float, begun_before: float) -> None:
        """Writes only if there are some."""
        old = {"kind": kind, "idle_since": idle_since, "begun_before": begun_before}

        def operation(session: Session) -> None:
            for (id,) in session.rows("face_sessions_too_old", **old):
                delete(session, id)

        if await self._reads.rows("face_sessions_too_old", **old):
            await self._writer.execute(operation)

    async def subscriptions(self, id: str) -> frozenset[str]:
        """URIs."""
        return frozenset(uri for (uri,) in await self._reads.rows("face_subscriptions", session=id))

    async def subscribe(self, note: FaceNote, uri: str, at: float, *, at_most: int) -> bool:
        """See `ports.FaceSessions`."""

        def operation(session: Session) -> bool:
            if session.value("count_face_subscriptions", session=note.session) >= at_most:
                return False
            session.put("put_face_subscription", session=note.session, uri=uri)
            write(session, note, at)
            return True

        return await self._writer.execute(operation, None)

    async def unsubscribe(self, note: FaceNote, uri: str, at: float) -> None:
        """See `ports.FaceSessions`."""

        def operation(session: Session) -> None:
            session.put("delete_face_subscription", session=note.session, uri=uri)
            write(session, note, at)

        await self._writer.execute(operation, None)

    async def tell(self, note: FaceNote, at: float) -> None:
        """See `ports.FaceSessions`."""
        await self._writer.execute(lambda session: write(session, note, at), None)

    async def notes(self, since: float, *, by: str = "", seen: Collection[int] = ()) -> tuple[FaceNote, ...]:
        """The oldest first."""
        rows = await self._reads.rows("face_notes", since=since, by=by, seen=dump(sorted(seen)))
        return tuple(FaceNote(session, by, body=body, number=number) for number, session, by, body in rows)


def delete(session: Session, id: str) -> bool:
    """End a session; returns whether there was one."""
    session.put("delete_face_subscriptions", session=id)
    return session.run("delete_face_session", id=id) > 0


def write(session: Session, note: FaceNote, at: float) -> None:
    session.put("delete_old_face_notes", before=at - NOTES_S)
    session.put("insert_face_note", session=note.session, by=note.by, body=note.body, at=at)
