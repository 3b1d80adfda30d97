"""Standing verdicts (`Grants`): few for each tool and place, and none that has ended."""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from bridge_mcp.core.address import Address
from bridge_mcp.core.grants import MAX_ALIKE, Grant, grant_place
from bridge_mcp.core.redate import AHEAD_S
from bridge_mcp.stores.sql.face import Face
from bridge_mcp.stores.sql.rows import dump
from bridge_mcp.stores.sql.rows import grant as grant_of
from bridge_mcp.stores.sql.session import Session

__all__ = ["SqlGrants", "keep_grant"]


class SqlGrants(Face):
    """See `ports.Grants`."""

    async def add(self, grant: Grant) -> Grant:
        """The grant with its id; see `keep_grant`."""
        return await self._writer.execute(lambda session: keep_grant(session, grant), None)

    async def active(self, now: float) -> tuple[Grant, ...]:
        """The grants in force at `now`."""
        return tuple([grant_of(row) for row in await self._reads.rows("active_grants", now=now, ahead=now + AHEAD_S)])

    async def concerning(self, tools: Collection[str], conversation: str, now: float) -> tuple[Grant, ...]:
        """See `ports.Grants`."""
        parameters = {"tools": dump(sorted(set(tools))), "places": dump(places(conversation))}
        rows = await self._reads.rows("grants_for", **parameters, now=now, ahead=now + AHEAD_S)
        return tuple([grant_of(row) for row in rows])

    async def revoke(self, grant: int) -> bool:
        """False if there was no such grant."""
        return await self._run("delete_grant", id=grant) > 0

    async def prune(self, now: float) -> int:
        """How many ended grants were deleted."""
        if not await self._reads.value("has_ended_grants", now=now):
            return 0
        return await self._writer.execute(lambda session: session.run("delete_ended_grants", now=now))


def places(conversation: str) -> list[str]:
    """Where a grant may have been given that holds in this conversation; see `Grant.holds_in`."""
    return ["", *dict.fromkeys((Address.of(conversation).channel, conversation, grant_place(conversation)))]


def keep_grant(session: Session, grant: Grant) -> Grant:
    """Store a new grant, as part of a transaction; see `ports.Grants.add`. The same with its id, as it holds now."""
    session.alone("grants")
    session.put("delete_ended_grants", now=grant.created_at)
    place = {"tool": grant.tool, "conversation": grant.conversation}
    arguments = dump(grant.arguments)
    row = session.row("same_grant", **place, arguments=arguments, by=grant.by)
    if row is not None:
        existing = grant_of(row)
        ends = (existing.expires_at, grant.expires_at)
        until = 0.0 if 0.0 in ends else max(ends)
        session.put("update_grant", id=existing.id, expires_at=until, created_at=grant.created_at)
        return tell_of(session, replace(grant, id=existing.id, expires_at=until))
    for number in [number for (number,) in session.rows("grants_of_tool_in", **place)][MAX_ALIKE - 1 :]:
        session.put("delete_grant", id=number)
        reason = f"there are more than {MAX_ALIKE} for this tool and place, and it was the oldest"
        ended = {"grant": number, "tool": grant.tool, "by": "bridge", "reason": reason}
        session.tell("grant.revoked", "", at=grant.created_at, body=dump(ended))
    made_at = {"by": grant.by, "created_at": grant.created_at, "expires_at": grant.expires_at}
    inserted = session.insert("insert_grant", **place, arguments=arguments, **made_at)
    return tell_of(session, replace(grant, id=inserted))


def tell_of(session: Session, grant: Grant) -> Grant:
    """Have the feed tell of a grant, without its patterns: those who may list grants see what needs no verdict."""
    body = {
        "grant": grant.id,
        "tool": grant.tool,
        "where": grant.conversation,
        "by": grant.by,
        "expires_at": grant.expires_at or None,
    }
    session.tell("grant.made", "", at=grant.created_at, body=dump(body))
    return grant
