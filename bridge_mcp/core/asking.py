"""The question whether a call may run, as an entry of its log."""

from __future__ import annotations

from bridge_mcp.core.approval_settings import ApprovalSettings, Reviewer
from bridge_mcp.core.entries import Asked, Call, External
from bridge_mcp.core.tools import ToolSpec, call_digest, parse_arguments

__all__ = ["ask_entry"]


def ask_entry(
    call: Call,
    spec: ToolSpec,
    how: ApprovalSettings,
    now: float,
    by: str,
    reason: str,
    external: External | None = None,
    review: Reviewer | None = None,
) -> Asked:
    """The question whether a call may run, with the policy as it is now: that is what it will be decided by."""
    about = external_note(external) if external is not None else ""
    escalates = how.escalate_s > 0 and bool(how.escalate_to)
    ends = (now + how.expires_s if how.expires_s > 0 else 0.0, external.expires_at if external is not None else 0.0)
    return Asked(
        call.id,
        spec.server,
        call.tool,
        arguments=call.arguments,
        digest=call_digest(spec, parse_arguments(call.arguments)),
        expires_at=min((at for at in ends if at), default=0.0),
        requested_by=by,
        reason=reason + about,
        route=how.route,
        also_route=how.also_route,
        quorum=how.quorum,
        remind_s=how.remind_s,
        escalate_at=now + how.escalate_s if escalates else 0.0,
        escalate_to=how.escalate_to if escalates else "",
        asks=external.asks if external else "",
        offers=external.offers if external else (),
        fixed=external is not None and external.fixed,
        reviewer=review.model if review else "",
        reviewer_may=review.may if review else "advise",
    )


def external_note(external: External) -> str:
    """What stands behind the reason of a call that its caller runs: its words, and what `always` would give."""
    always = f"always adds to its own settings: {', '.join(external.offers)}" if external.offers else ""
    return "".join(f"; {each}" for each in (external.about, always) if each)
