"""Who was let in (`Access`)."""

from __future__ import annotations

import math

from msgspec.structs import asdict

from bridge_mcp.core.redate import AHEAD_S
from bridge_mcp.ports import Pairing, PairingRequest
from bridge_mcp.stores.sql.face import Face
from bridge_mcp.stores.sql.session import Row, Session

__all__ = ["SqlAccess"]

FAR_AHEAD_S = 60.0
"""A pairing request that is further from the future takes no place: a clock that was ahead made it."""


class SqlAccess(Face):
    """See `ports.Access`. A request is open until its `expires_at`, by the time of whoever asks."""

    async def pairings(self, channel: str = "") -> tuple[Pairing, ...]:
        """All pairings, or those of one channel."""
        rows = await self._reads.rows("pairings_of", channel=channel) if channel else await self._reads.rows("pairings")
        return tuple([Pairing(*row) for row in rows])

    async def find(self, channel: str, *subjects: str) -> tuple[Pairing, ...]:
        """See `ports.Access`; one lookup by key for each subject."""

        def read(session: Session) -> list[Row | None]:
            return [session.row("pairing", channel=channel, subject=subject) for subject in dict.fromkeys(subjects)]

        rows = await self._reads.short(read)
        return tuple([Pairing(*row) for row in rows if row is not None])

    async def pair(self, pairing: Pairing) -> None:
        """See `ports.Access`; ends the subject's open requests in the same transaction."""

        def operation(session: Session) -> None:
            session.put("upsert_pairing", **asdict(pairing))
            session.put("delete_pairing_requests", channel=pairing.channel, subject=pairing.subject)

        await self._writer.execute(operation, None)

    async def unpair(self, channel: str, subject: str) -> bool:
        """False if there was no such pairing."""
        return await self._run("delete_pairing", channel=channel, subject=subject) > 0

    async def request(self, request: PairingRequest, at_most: int, stands_s: float = math.inf) -> PairingRequest | None:
        """See `ports.Access`; removes expired requests first."""

        def operation(session: Session) -> PairingRequest | None:
            session.alone("pairing_requests")
            session.put("delete_expired_pairing_requests", now=request.at, ahead=request.at + FAR_AHEAD_S)
            earlier = session.row("pairing_request_of", channel=request.channel, subject=request.subject)
            if earlier is not None:
                return PairingRequest(*earlier)
            if session.value("count_pairing_requests", channel=request.channel) >= at_most:
                before = request.at - stands_s
                if not session.run("delete_oldest_pairing_request", channel=request.channel, before=before):
                    return None
            session.put("insert_pairing_request", **asdict(request))
            return request

        return await self._writer.execute(operation, None)

    async def requests(self, now: float) -> tuple[PairingRequest, ...]:
        """The open requests, but none that is dated far in the future."""
        rows = await self._reads.rows("open_pairing_requests", now=now, ahead=now + AHEAD_S)
        return tuple([PairingRequest(*row) for row in rows])
