"""The question whether a call may run, as an entry of its log."""

from __future__ import annotations

from bridge_mcp.core.approval_settings import ApprovalSettings, Reviewer
from bridge_mcp.core.entries import Asked, Call, External
from bridge_mcp.core.tools import ToolSpec, call_digest, parse_arguments

__all__ = ["ask_entry"]


def ask_entry(
    call: Call,
    spec: ToolSpec,
    settings: ApprovalSettings,
    now: float,
    requested_by: str,
    reason: str,
    external: External | None = None,
    review: Reviewer | None = None,
) -> Asked:
    """The question whether a call may run, with the policy as it is now: that is what it will be decided by."""
    note = external_note(external) if external is not None else ""
    escalates = settings.escalate_s > 0 and bool(settings.escalate_to)
    expires_at = now + settings.expires_s if settings.expires_s > 0 else 0.0
    if external is not None and external.expires_at:
        expires_at = min(expires_at or external.expires_at, external.expires_at)
    return Asked(
        call.id,
        spec.server,
        call.tool,
        arguments=call.arguments,
        digest=call_digest(spec, parse_arguments(call.arguments)),
        expires_at=expires_at,
        requested_by=requested_by,
        reason=reason + note,
        route=settings.route,
        also_route=settings.also_route,
        quorum=settings.quorum,
        remind_s=settings.remind_s,
        escalate_at=now + settings.escalate_s if escalates else 0.0,
        escalate_to=settings.escalate_to if escalates else "",
        asks=external.asks if external else "",
        offers=external.offers if external else (),
        fixed=external is not None and external.fixed,
        reviewer=review.model if review else "",
        reviewer_may=review.may if review else "advise",
    )


def external_note(external: External) -> str:
    """What stands behind the reason of a call that its caller runs: its words, and what `always` would give."""
    always = f"always adds to its own settings: {', '.join(external.offers)}" if external.offers else ""
    return "".join(f"; {part}" for part in (external.about, always) if part)
