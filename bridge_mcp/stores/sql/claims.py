"""Conversations that one client has for itself for a while (`Claims`)."""

from __future__ import annotations

from bridge_mcp.core.events import EventType
from bridge_mcp.core.redate import AHEAD_S
from bridge_mcp.ports import Claim
from bridge_mcp.stores.sql.face import Face
from bridge_mcp.stores.sql.rows import dump
from bridge_mcp.stores.sql.session import Session

__all__ = ["SqlClaims"]


class SqlClaims(Face):
    """See `ports.Claims`."""

    async def holding(self, conversation: str, now: float) -> Claim | None:
        """See `ports.Claims`; one lookup by key."""
        return await self._reads.short(lambda session: holding(session, conversation, now))

    async def claim(self, claim: Claim, now: float, *, at_most: int) -> Claim | None:
        """See `ports.Claims`; removes all that have ended first."""

        def operation(session: Session) -> Claim | None:
            session.alone("claims")
            session.put("delete_ended_claims", now=now, ahead=now + AHEAD_S)
            claim_held = holding(session, claim.conversation, now)
            if claim_held is not None and claim_held.client != claim.client:
                return claim_held
            if claim_held is None and session.value("count_claims_of", client=claim.client) >= at_most:
                return None
            key = {"conversation": claim.conversation, "client": claim.client}
            session.put("put_claim", **key, until=claim.until, at=now)
            tell(session, "conversation.claimed", claim, now)
            return claim

        return await self._writer.execute(operation, None)

    async def release(self, conversation: str, client: str, now: float) -> bool:
        """See `ports.Claims`."""

        def operation(session: Session) -> bool:
            session.alone("claims")
            claim_held = holding(session, conversation, now)
            if claim_held is None or claim_held.client != client:
                return False
            session.put("delete_claim", conversation=conversation, client=client)
            tell(session, "conversation.released", claim_held, now)
            return True

        return await self._writer.execute(operation, None)


def holding(session: Session, conversation: str, now: float) -> Claim | None:
    """The claim that holds at `now`."""
    row = session.row("claim_of", conversation=conversation, now=now, ahead=now + AHEAD_S)
    return None if row is None else Claim(*row)


def tell(session: Session, kind: EventType, claim: Claim, now: float) -> None:
    """Tell of it in the feed, in the transaction that makes it so."""
    body = {"by": claim.client, **({"until": claim.until} if kind == "conversation.claimed" else {})}
    session.tell(kind, claim.conversation, at=now, body=dump(body))
