"""Verdicts on waiting calls. A verdict is an entry in the very log that the turn waits on: nobody else need be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from bridge_mcp.core.answers import Decision
from bridge_mcp.core.entries import Judged
from bridge_mcp.core.errors import AlreadyDecided, BadInput, NotFound
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.tools import JSON, ToolSpec, call_digest, canonical
from bridge_mcp.core.views import Approval
from bridge_mcp.engine import board
from bridge_mcp.engine.tickets import APPROVAL
from bridge_mcp.ports import Clock, Store

__all__ = ["approve", "find", "reject"]


async def find(store: Store, approval_id: str) -> Approval:
    """The approval of this id, waiting or not.

    Raises:
        NotFound: there is none.
    """
    found = await store.approvals.get(approval_id) if APPROVAL.fullmatch(approval_id) else None
    if found is None:
        raise NotFound(f"There is no approval '{approval_id[:80]}'.", fix="See list_approvals.")
    return found


async def approve(
    store: Store,
    approval: Approval,
    who: Principal,
    clock: Clock,
    check: Callable[[ToolSpec, Mapping[str, JSON]], str],
    *,
    digest: str = "",
    arguments: Mapping[str, JSON] | None = None,
    remember: Literal["once", "conversation", "always"] = "once",
    note: str = "",
) -> Decision:
    """Let a waiting call run, as it is or with edited arguments. See `Bridge.approve_call`."""
    undecided(approval)
    if approval.expires_at and clock.now() >= approval.expires_at:
        return await judge(store, approval, Judged(approval.call, "expired", "bridge"), who)
    if digest and digest != approval.digest:
        raise BadInput(
            f"The digest does not match: {approval.id} asks for another call than the one you looked at.",
            fix="Look at it again with list_approvals, and pass the digest shown there.",
        )
    edited = None
    approved = approval.digest
    if arguments is not None:
        spec = await spec_of(store, approval)
        wrong = check(spec, arguments)
        if wrong:
            raise BadInput(f"The edited arguments do not fit {approval.tool}: {wrong}", fix="Nothing was decided yet.")
        edited, approved = canonical(dict(arguments)), call_digest(spec, arguments)
    verdict = Judged(approval.call, "approved", who.name, approved, edited, note, remember)
    return await judge(store, approval, verdict, who)


async def reject(store: Store, approval: Approval, who: Principal, reason: str = "") -> Decision:
    """Keep a waiting call from running. See `Bridge.reject_call`."""
    undecided(approval)
    return await judge(store, approval, Judged(approval.call, "rejected", who.name, note=reason), who)


async def judge(store: Store, approval: Approval, verdict: Judged, who: Principal) -> Decision:
    """Write the verdict, if it is the first. It is refused when somebody was faster, also by a moment."""
    (recorded,) = await store.log.record(approval.conversation, verdict)
    now = await find(store, approval.id)
    if not recorded.new or verdict.verdict == "expired":
        undecided(now)
    granted = [
        g.id
        for g in (await store.grants.active(now.decided_at) if verdict.remember != "once" else ())
        if g.tool == now.tool and g.by == who.name
    ]
    return Decision(now, max(granted, default=None))


def undecided(approval: Approval) -> None:
    """Let pass what still waits.

    Raises:
        AlreadyDecided: it does not; says who decided, and how.
    """
    if approval.status == "waiting":
        return
    by = f" by {approval.decided_by}" if approval.decided_by else ""
    note = f" ({approval.note})" if approval.note else ""
    raise AlreadyDecided(
        f"{approval.id} was {approval.status}{by}{note} before; the first verdict holds.",
        fix="See list_approvals for what still waits.",
    )


async def spec_of(store: Store, approval: Approval) -> ToolSpec:
    for spec in (await board.tools(store)).tools:
        if spec.name == approval.tool:
            return spec
    raise BadInput(
        f"{approval.tool} is not there now, so edited arguments cannot be checked.",
        fix="Approve it unedited, reject it, or wait until its server is back (get_status).",
    )
