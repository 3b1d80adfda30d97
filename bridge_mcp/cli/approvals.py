"""Commands about calls that wait for a verdict: approvals list, approve, reject, grants, revoke."""

from __future__ import annotations

from typing import Literal

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.common import NO_ENGINE, USUAL, Common, Json, engine_runs, with_bridge
from bridge_mcp.cli.output import ago, console, grid, print_json
from bridge_mcp.core.answers import Decision
from bridge_mcp.core.tools import parse_arguments
from bridge_mcp.core.views import Approval
from bridge_mcp.core.visible import pretty, visible
from bridge_mcp.service import OWNER

__all__ = ["approval_view", "approve", "grants", "list_", "reject", "revoke"]


def list_(
    *,
    status: Literal["waiting", "approved", "rejected", "expired", "cancelled", "any"] = "waiting",
    conversation: str = "",
    json: Json = False,
    common: Common = USUAL,
) -> int:
    """The calls that wait for a verdict, with all a verdict must know.

    Parameters
    ----------
    status
        Those that wait, or those that were decided so.
    conversation
        Only those of this conversation.
    """

    async def body(assembly: Assembly) -> None:
        found = await assembly.bridge.list_approvals(OWNER, conversation=conversation, status=status, limit=500)
        if json:
            print_json(found)
            return
        out = console()
        for approval in found:
            out.print(approval_view(approval))
        if not found:
            out.print("No approval waits." if status == "waiting" else "There are none.")

    return with_bridge(common, body)


def approve(
    approval_id: str,
    /,
    *,
    digest: str = "",
    arguments: str | None = None,
    remember: Literal["once", "conversation", "always"] = "once",
    note: str = "",
    json: Json = False,
    common: Common = USUAL,
) -> int:
    """Let one waiting call run.

    Parameters
    ----------
    digest
        Only if this is the digest of what waits.
    arguments
        Run it with these arguments instead: one JSON object.
    remember
        Also let later calls of this tool run, in this conversation or always, until revoked.
    note
        Goes into the log.
    """

    async def body(assembly: Assembly) -> None:
        edited = None if arguments is None else parse_arguments(arguments)
        decision = await assembly.bridge.approve_call(
            OWNER, approval_id, digest=digest, arguments=edited, remember=remember, note=note
        )
        await tell(assembly, decision, json)

    return with_bridge(common, body)


def reject(approval_id: str, reason: str = "", /, *, json: Json = False, common: Common = USUAL) -> int:
    """Keep one waiting call from running.

    Parameters
    ----------
    reason
        What the model is told.
    """

    async def body(assembly: Assembly) -> None:
        await tell(assembly, await assembly.bridge.reject_call(OWNER, approval_id, reason=reason), json)

    return with_bridge(common, body)


def grants(*, json: Json = False, common: Common = USUAL) -> int:
    """The standing verdicts in force."""

    async def body(assembly: Assembly) -> None:
        found = await assembly.bridge.list_grants(OWNER)
        if json:
            print_json(found)
            return
        rows = [
            (str(g.id), visible(g.tool), g.conversation or "everywhere", f"by {visible(g.by)} {ago(g.created_at)}")
            for g in found
        ]
        console().print(grid(rows) if rows else "There are no standing verdicts.")

    return with_bridge(common, body)


def revoke(grant: int, /, *, common: Common = USUAL) -> int:
    """End a standing verdict."""

    async def body(assembly: Assembly) -> None:
        await assembly.bridge.revoke_grant(OWNER, grant)
        console().print(f"Grant {grant} is revoked.")

    return with_bridge(common, body)


async def tell(assembly: Assembly, decision: Decision, json: bool) -> None:
    """What a verdict did."""
    if json:
        print_json(decision)
        return
    out, approval = console(), decision.approval
    out.print(f"{approval.status}  {approval.id}  {visible(approval.tool)} in {approval.conversation}")
    if decision.grant is not None:
        out.print(f"Later calls like it run by grant {decision.grant}; end it with: approvals revoke {decision.grant}")
    if not engine_runs(assembly):
        out.print(NO_ENGINE)


def approval_view(approval: Approval) -> Group:
    """One approval, whole: the arguments are shown to the last character."""
    head = Text(approval.id, "bold yellow")
    if approval.status == "waiting":
        head.append(f"  expires {ago(approval.expires_at)}" if approval.expires_at else "  does not expire", "default")
    else:
        head.append(f"  {approval.status} by {visible(approval.decided_by)} {ago(approval.decided_at)}", "default")
        head.append(f": {visible(approval.note)}" if approval.note else "", "default")
    what = Text(visible(approval.tool), "bold")
    what.append(f"  in {approval.conversation}, asked by {visible(approval.requested_by)}", "default")
    what.append(f" {ago(approval.asked_at)}: {visible(approval.reason)}", "default")
    shown = visible(pretty(approval.arguments), lines=True)
    return Group(head, *(Padding(each, (0, 0, 0, 2)) for each in (what, Text(shown), Text(approval.digest, "dim"))))
