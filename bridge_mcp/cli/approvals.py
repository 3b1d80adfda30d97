"""Commands about calls that wait for a verdict: approvals list, approve, reject, grants, revoke."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Group
from rich.text import Text

from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.common import OWNER, USUAL, Common, Json, engine_runs, with_bridge
from bridge_mcp.cli.output import ago, console, grid, indented, print_json
from bridge_mcp.cli.texts import NO_ENGINE
from bridge_mcp.cli.texts import approvals as texts
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.results import Decision
from bridge_mcp.core.safe_text import pretty, visible
from bridge_mcp.core.tools import parse_arguments
from bridge_mcp.service import ApprovalOptions, decided

__all__ = ["approval_view", "approve", "grants", "list_", "reject", "revoke"]

INSTEAD = Parameter(help="Run it with these arguments instead: one JSON object.")
NOTE = Parameter(help="Goes into the log.")
"""Here and not in the docstring, where a line with just this option's name would be the head of a section."""


def list_(
    *,
    status: Literal["waiting", "approved", "rejected", "expired", "cancelled", "any"] = "waiting",
    conversation: str = "",
    limit: int = 500,
    cursor: str = "",
    json: Json = False,
    common: Common = USUAL,
) -> int:
    """List the calls that wait for a verdict, the newest first, with all that a verdict must know.

    Parameters
    ----------
    status
        Those that wait, or those that were decided so.
    conversation
        Only those of this conversation.
    limit
        How many, at most 500.
    cursor
        Where the page before ended, as it says.
    """

    async def body(assembly: Assembly) -> None:
        page = await assembly.bridge.page_approvals(
            OWNER, conversation=conversation, status=status, limit=limit, cursor=cursor
        )
        approvals = page.approvals
        if json:
            print_json(approvals)
            return
        out = console()
        for approval in approvals:
            for part, whole in approval_view(approval):
                out.print(part, soft_wrap=whole or None)
        if not approvals:
            out.print(texts.NONE_WAITS if status == "waiting" else texts.THERE_ARE_NONE)
        if page.cursor:
            out.print(texts.next_page(len(approvals), total=page.count, cursor=page.cursor))

    return with_bridge(common, body)


def approve(
    *approval_ids: str,
    digest: str = "",
    arguments: Annotated[str | None, INSTEAD] = None,
    remember: Literal["once", "conversation", "always"] = "once",
    remember_argument: tuple[str, ...] = (),
    remember_s: float = 0.0,
    note: Annotated[str, NOTE] = "",
    json: Json = False,
    common: Common = USUAL,
) -> int:
    """Let waiting calls run: those of all the ids given, or none.

    Parameters
    ----------
    approval_ids
        As `approvals list` shows them.
    digest
        Only if this is the digest of what waits.
    remember
        Also let later calls of this tool run, in this conversation or always, until revoked.
    remember_argument
        Only later calls with such an argument: NAME=PATTERN, where `*` is any text (path=notes/*). May be repeated.
    remember_s
        For how many seconds; 0 is until revoked.
    """
    if not approval_ids:
        raise BadInput("Which call?", fix="bridge-mcp approvals list shows their ids.")

    async def body(assembly: Assembly) -> None:
        edited = None if arguments is None else parse_arguments(arguments)
        yes = ApprovalOptions(
            digest, edited, remember, remember_arguments=patterns(remember_argument), remember_s=remember_s, note=note
        )
        await tell(assembly, await assembly.bridge.approve_calls(OWNER, approval_ids, yes), json)

    return with_bridge(common, body)


def reject(
    approval_id: str,
    reason: str = "",
    /,
    *,
    also: tuple[str, ...] = (),
    json: Json = False,
    common: Common = USUAL,
) -> int:
    """Keep waiting calls from running.

    Parameters
    ----------
    approval_id
        As `approvals list` shows it.
    reason
        What the model is told.
    also
        Another call to reject with it. May be repeated.
    """

    async def body(assembly: Assembly) -> None:
        rejected = await assembly.bridge.reject_calls(OWNER, (approval_id, *also), reason=reason)
        await tell(assembly, rejected, json)

    return with_bridge(common, body)


def grants(*, json: Json = False, common: Common = USUAL) -> int:
    """List the standing verdicts in force."""

    async def body(assembly: Assembly) -> None:
        in_force = await assembly.bridge.list_grants(OWNER)
        if json:
            print_json(in_force)
            return
        rows = [
            (
                str(g.id),
                visible(g.tool),
                visible(", ".join(f"{name}={pattern}" for name, pattern in g.arguments)) or texts.ANY_ARGUMENTS,
                visible(g.conversation) or texts.EVERYWHERE,
                texts.made_by(visible(g.by), ago(g.created_at)),
                texts.ends(ago(g.expires_at)) if g.expires_at else texts.NO_END,
            )
            for g in in_force
        ]
        console().print(grid(rows) if rows else texts.NO_GRANTS)

    return with_bridge(common, body)


def revoke(grant: int, /, *, common: Common = USUAL) -> int:
    """End a standing verdict.

    Parameters
    ----------
    grant
        Its number, as `approvals grants` shows it.
    """

    async def body(assembly: Assembly) -> None:
        await assembly.bridge.revoke_grant(OWNER, grant)
        console().print(texts.revoked(grant))

    return with_bridge(common, body)


def patterns(options: Sequence[str]) -> dict[str, str]:
    """Patterns by argument, from NAME=PATTERN.

    Raises:
        BadInput: one has another form.
    """
    pairs = [option.partition("=") for option in options]
    by_name = {name: pattern for name, _, pattern in pairs}
    if any("=" not in option for option in options) or "" in by_name:
        raise BadInput("--remember-argument takes NAME=PATTERN.", fix="For example: --remember-argument 'path=notes/*'")
    return by_name


async def tell(assembly: Assembly, decisions: Sequence[Decision], json: bool) -> None:
    """What verdicts did."""
    if len(decisions) == 1:
        decided(decisions[0])
    if json:
        print_json(decisions if len(decisions) > 1 else decisions[0])
        return
    out = console()
    for decision in decisions:
        approval = decision.approval
        status = decision.error or f"{approval.status}{votes(approval)}  {approval.id}"
        tool, place = visible(approval.tool), visible(approval.conversation)
        out.print(texts.done(visible(status), tool=tool, conversation=place))
        if decision.waits:
            out.print(visible(decision.waits))
        if decision.grant is not None:
            out.print(texts.granted(decision.grant))
    if not engine_runs(assembly):
        out.print(NO_ENGINE)


def approval_view(approval: Approval) -> tuple[tuple[Text | Group, bool], ...]:
    """One approval, whole: its parts, and whether only the terminal itself may break their lines.

    The arguments are shown to the last character: a wrap by words would lose blanks.
    """
    head = Text(approval.id, "bold yellow")
    if approval.status == "waiting":
        head.append(f"  {ending(approval)}", "default")
    else:
        by, when = visible(approval.decided_by), ago(approval.decided_at)
        head.append(f"  {texts.decided(approval.status, by=by, via=approval.decided_via, when=when)}", "default")
        head.append(f": {visible(approval.note)}" if approval.note else "", "default")
    tool = Text(visible(approval.tool), "bold")
    asked = texts.asked(
        visible(approval.conversation),
        by=visible(approval.requested_by),
        when=ago(approval.asked_at),
        reason=visible(approval.reason),
    )
    tool.append(f"  {asked}{votes(approval)}", "default")
    tool.append(review_words(approval), "default")
    arguments = visible(pretty(approval.arguments), lines=True)
    digest = Text(approval.digest, "dim")
    return (head, False), (indented(tool), False), (indented(Text(arguments)), True), (indented(digest), True)


def review_words(approval: Approval) -> str:
    """What a reviewer says of it, where there is one."""
    if not approval.reviewer:
        return ""
    reviewer = visible(approval.reviewer)
    if not approval.review:
        return texts.in_review(reviewer) if approval.status == "waiting" else ""
    return texts.reviewed(reviewer, says=approval.review, reason=visible(approval.review_reason))


def ending(approval: Approval) -> str:
    """When a call that waits gives up waiting."""
    if not approval.expires_at:
        return texts.NEVER_EXPIRES
    says = texts.expired if approval.expires_at <= time.time() else texts.expires
    return says(ago(approval.expires_at))


def votes(approval: Approval) -> str:
    """How many of the approvers that it takes said yes, where it takes several."""
    if approval.quorum < 2:
        return ""
    return texts.votes(len(approval.votes), total=approval.quorum, names=visible(", ".join(approval.votes)))
