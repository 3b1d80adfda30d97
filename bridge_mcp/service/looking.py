"""Looks closer at one approval: its tool, what became of its call, and what a grant would have let run."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from bridge_mcp.core.call_history import CallRecord, calls_of
from bridge_mcp.core.entries import call_origin
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.grants import Grant, grant_place, makes_grants
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.tools import ToolSpec, parse_arguments
from bridge_mcp.operations import approvals
from bridge_mcp.service.base import BridgeBase, check_patterns

__all__ = ["ApprovalDetails", "GrantPreview", "Looking"]

AROUND = 400
"""Entries of a log in which what became of a call is looked for."""

LOOKED = 500
"""Approvals among which a preview looks for calls of the tool."""


class ApprovalDetails(Struct, frozen=True):
    """One approval with what stands beside it."""

    approval: Approval
    spec: ToolSpec | None
    """Its tool as it is now; None while it is not there."""
    record: CallRecord | None
    """What became of the call so far."""
    may_decide: bool
    """Whether whoever asks may decide on it, and has not voted already."""


class GrantPreview(Struct, frozen=True):
    """What a grant with these patterns would have let run, of the calls of its tool that were asked about before."""

    matched: tuple[Approval, ...]
    others: tuple[Approval, ...]
    """Calls of the tool that it would not have let run."""
    complaint: str = ""
    """Why it cannot be given with a verdict on this call; "" if it can."""


class Looking(BridgeBase):
    """Methods that need the scope `read`."""

    async def get_approval(self, who: Principal, approval_id: str) -> ApprovalDetails:
        """One approval, waiting or decided, with its tool and what became of its call."""
        who.require("read")
        approval = await self._approval(who, approval_id)
        try:
            spec = await approvals.spec_of(self.store, approval)
        except BadInput:
            spec = None
        begun = call_origin(approval.call) or 0
        log = await self.store.log.read(approval.conversation, begun - 1, first=AROUND)
        record = next((call for call in calls_of(approval.conversation, log) if call.id == approval.call), None)
        may = approval.status == "waiting" and self.verdicts.may(who, approval)
        return ApprovalDetails(approval, spec, record, may_decide=may)

    async def preview_grant(
        self, who: Principal, approval_id: str, patterns: Mapping[str, str], *, everywhere: bool = False
    ) -> GrantPreview:
        """What a grant for this call's tool would have let run, of the newest calls that were asked about.

        `patterns` as `remember_arguments` of `approve_call`; `everywhere`: in all conversations, not in this one alone.
        """
        who.require("read")
        approval = await self._approval(who, approval_id)
        check_patterns(patterns)
        where = "" if everywhere else grant_place(approval.conversation)
        grant = Grant(0, approval.tool, where, tuple(patterns.items()))
        approvals = await self.store.approvals.find(within=who.within, limit=LOOKED)
        alike = [other for other in approvals if other.tool == approval.tool and other.id != approval.id]
        matched = [other for other in alike if covers(grant, other, self.clock.now())]
        complaint = "" if makes_grants(approval.tool) else "Whoever asks keeps standing permissions itself."
        if not complaint and not covers(grant, approval, self.clock.now()):
            complaint = "These patterns do not cover this very call."
        return GrantPreview(tuple(matched), tuple([other for other in alike if other not in matched]), complaint)


def covers(grant: Grant, approval: Approval, now: float) -> bool:
    """Whether a grant lets a call run, as far as its arguments can be read."""
    try:
        arguments = parse_arguments(approval.arguments)
    except BadInput:
        return False
    return grant.covers(approval.tool, arguments, approval.conversation, now)
