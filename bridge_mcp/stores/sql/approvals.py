"""Calls that wait, or waited, for a verdict (`Approvals`)."""

from __future__ import annotations

from msgspec.structs import replace

from bridge_mcp.core.codec import decode
from bridge_mcp.core.entries import Reviewed, Voted, key
from bridge_mcp.core.errors import Unreadable
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.unreadable import unreadable_approval
from bridge_mcp.stores.sql.rows import approval as approval_of
from bridge_mcp.stores.sql.rows import dump, is_within
from bridge_mcp.stores.sql.session import Reads, Row, Session

__all__ = ["SqlApprovals"]


class SqlApprovals:
    """See `ports.Approvals`."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def get(self, approval: str) -> Approval | None:
        """The approval with its votes; None for none. Raises `Unreadable` for a damaged one."""
        row = await self._reads.row("approval", id=approval)
        return None if row is None else await self._reads.short(lambda session: with_words(session, row))

    async def find(
        self,
        *,
        status: str = "",
        conversation: str = "",
        within: frozenset[str] = frozenset(),
        limit: int = 100,
        before: str = "",
    ) -> tuple[Approval, ...]:
        """See `ports.Approvals`; a damaged approval is marked, and hides no other."""
        if conversation and not is_within(conversation, within):
            return ()
        page: dict[str, object] = {"before": before, "limit": limit}

        def read(session: Session) -> tuple[Approval, ...]:
            places = dump(sorted(within))
            if status == "waiting" or (status and not conversation):
                rows = session.rows("approvals_with_status", status=status, name=conversation, within=places, **page)
            elif conversation:
                rows = session.rows("approvals_in_conversation", name=conversation, status=status, **page)
            else:
                rows = session.rows("approvals_all", within=places, **page)
            return tuple([listed(session, row) for row in rows])

        # Few wait; those that are decided grow without end, and a filter may look at all of them.
        return await self._reads.short(read) if status == "waiting" or conversation else await self._reads.long(read)

    async def count(self, *, status: str = "", conversation: str = "", within: frozenset[str] = frozenset()) -> int:
        """See `ports.Approvals`; all but waiting ones are counted on a worker thread."""

        def read(session: Session) -> int:
            place = {"name": conversation, "within": dump(sorted(within))}
            count: int
            if status:
                count = session.value("count_approvals_with_status", status=status, **place)
            elif conversation or within:
                count = session.value("count_approvals_in", **place)
            else:
                count = session.value("count_approvals")
            return count

        return await self._reads.short(read) if status == "waiting" else await self._reads.long(read)


def listed(session: Session, row: Row) -> Approval:
    """An approval in a list: one that cannot be read says so, and hides none of the others."""
    try:
        return with_words(session, row)
    except Unreadable as exc:
        name, _, at = row[:3]
        approval, tool, status = row[7:10]
        return unreadable_approval(name, approval, tool, at, status, exc)


def with_words(session: Session, row: Row) -> Approval:
    """An approval with what was said of it: by its reviewer, and the votes on it, where it takes several."""
    approval = approval_of(row)
    if approval.reviewer:
        escalated, reviewed = (key(Reviewed(approval.call, says)) for says in ("escalate", "approve"))
        first = session.row("reviews", name=approval.conversation, escalated=escalated, reviewed=reviewed)
        review = None if first is None else decode(first[0])
        approval = approval.after_review(review) if isinstance(review, Reviewed) else approval
    if approval.quorum < 2:
        return approval
    first = f"voted:{approval.call}:"
    votes = [
        decode(body)
        for (body,) in session.rows("votes", name=approval.conversation, first=first, last=f"{first[:-1]};")
    ]
    return replace(approval, votes=tuple([vote.by for vote in votes if isinstance(vote, Voted)]))
