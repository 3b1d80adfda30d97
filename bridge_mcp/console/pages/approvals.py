"""The approvals page: calls that wait, as they come, and calls that were decided."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from starlette.responses import Response

from bridge_mcp.console.call_view import CallView, anchor, call_view, groups_of
from bridge_mcp.console.following import followed, start_of
from bridge_mcp.console.streams import event
from bridge_mcp.console.visits import Page, Visit
from bridge_mcp.core.errors import BadInput, NotFound
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.ports import EventPage
from bridge_mcp.service import ApprovalOptions

__all__ = ["PAGES", "rows"]

PER_PAGE = 100
STATUSES = ("waiting", "approved", "rejected", "expired", "cancelled", "any")
EVENTS = ("approval.requested", "approval.reviewed", "approval.voted", "approval.decided")


async def index(visit: Visit) -> Response:
    """The list. Those that wait are in the order in which they came; the newest stands below, and moves no other."""
    status = visit.query("status") or "waiting"
    if status not in STATUSES:
        raise NotFound(f"There is no status '{status[:40]}'.")
    after = await start_of(visit)
    page = await visit.bridge.page_approvals(visit.who, status=status, limit=PER_PAGE, cursor=visit.query("cursor"))
    live = status == "waiting" and not visit.query("cursor")  # the newest are on the first page
    views = await rows(visit, page.approvals[::-1] if status == "waiting" else page.approvals)
    return await visit.page(
        "approvals.html", views=views, page=page, which=status, statuses=STATUSES, after=after, live=live
    )


async def rows(visit: Visit, approvals: Sequence[Approval], whole: bool = False) -> list[CallView]:
    """Approvals as they are shown."""
    specs = {spec.name: spec for spec in (await visit.bridge.list_tools(visit.who)).tools} if approvals else {}
    groups = groups_of([each for each in approvals if each.status == "waiting"])
    return [row(visit, each, specs, groups.get(each.id, ()), whole=whole) for each in approvals]


def row(
    visit: Visit, approval: Approval, specs: dict[str, ToolSpec], siblings: tuple[str, ...] = (), *, whole: bool = False
) -> CallView:
    may = approval.status == "waiting" and visit.bridge.verdicts.may(visit.who, approval)
    return call_view(approval, specs.get(approval.tool), may_decide=may, siblings=siblings, whole=whole)


async def stream(visit: Visit) -> Response:
    """What happens to approvals, as it happens."""
    return visit.console.streams.response(visit.who, changes(visit))


async def changes(visit: Visit) -> AsyncIterator[bytes]:
    """New rows, and rows that changed; all rows, where nobody knows any more what happened."""
    async for page in followed(visit, EVENTS):
        html = await (whole_html(visit) if page.gap else changed_html(visit, page))
        yield event(html, page.cursor)


async def whole_html(visit: Visit) -> str:
    """The list as it is now, in the place of the one that is shown."""
    waiting = await visit.bridge.page_approvals(visit.who, limit=PER_PAGE)
    views = await rows(visit, waiting.approvals[::-1])
    return visit.html("approvals-change.html", views=views, waiting=waiting.count)


async def changed_html(visit: Visit, page: EventPage) -> str:
    """The rows that events are about: a new one at the end, a known one in its place."""
    requested = [str(each.body["approval"]) for each in page.events if each.type == "approval.requested"]
    ids = dict.fromkeys(str(each.body["approval"]) for each in page.events if each.body.get("approval"))
    waiting = await visit.bridge.page_approvals(visit.who, limit=PER_PAGE)
    waiting_by_id = {each.id: each for each in waiting.approvals}
    specs = {spec.name: spec for spec in (await visit.bridge.list_tools(visit.who)).tools}
    groups = groups_of(waiting.approvals)
    parts = [visit.html("approvals-count.html", waiting=waiting.count)]
    for name in ids:
        approval = waiting_by_id.get(name) or (await visit.bridge.get_approval(visit.who, name)).approval
        view = row(visit, approval, specs, groups.get(name, ()))
        parts.append(visit.html("approval-change.html", view=view, new=name in requested, anchor=anchor(name)))
    return "".join(parts)


async def decide(visit: Visit) -> Response:
    """A verdict on several calls together: those that were chosen, or all of one reply."""
    fields = [each.partition(" ") for each in visit.form.all("approval")]
    digests = {approval: digest for digest, _, approval in fields}
    if not digests:
        raise BadInput("No call was chosen.", fix="Mark the calls that the verdict is for.")
    if not all(approval and digest for approval, digest in digests.items()):
        raise BadInput("The form does not say what was shown of each call.", fix="Reload the page.")
    if visit.form.get("verdict") == "approve":
        decisions = await visit.bridge.approve_calls(visit.who, list(digests), ApprovalOptions(digests=digests))
    else:
        decisions = await visit.bridge.reject_calls(visit.who, list(digests), reason=visit.form.get("reason").strip())
    wrong = [each.error for each in decisions if each.error]
    if wrong:
        raise BadInput(" ".join(wrong))
    return visit.go("/approvals")


PAGES = (
    Page("/approvals", index),
    Page("/approvals/stream", stream),
    Page("/approvals/decide", decide, "POST"),
)
