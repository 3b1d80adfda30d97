"""A reviewer's policy tried on calls that people decided: what it would have said, beside what they said.

Reads only. What a model answers here decides nothing and stands in no log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from msgspec import Struct, structs

from bridge_mcp.core.entries import Asked, Log, Reviewed, call_origin
from bridge_mcp.core.messages import message_tokens
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.review import review_request
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.engine.turns.reviews import review
from bridge_mcp.operations import status_board
from bridge_mcp.ports import Model, Store

__all__ = ["BY_ITSELF", "ORDER", "Case", "Replayed", "cases", "in_order", "replay_case"]

BY_ITSELF = frozenset({"rule", "reviewer"})
"""The paths of verdicts that neither people nor clients gave."""

PAGE = 200
BEFORE = 60
"""Entries before the call's reply that a reviewer would have had."""
AROUND = 400


class Case(Struct, frozen=True):
    """A call that people decided, with what stood before the question."""

    approval: Approval
    asked: Asked
    spec: ToolSpec
    log: Log

    def tokens(self, policy: str) -> int:
        """About how many tokens a review of it takes."""
        return sum(map(message_tokens, review_request(policy, self.asked, self.spec, self.log)))


class Replayed(Struct, frozen=True):
    """What a reviewer says of a call that was decided."""

    case: Case
    said: Reviewed

    @property
    def kind(self) -> str:
        """How that compares: `false approval`, `false rejection`, `agrees` or `escalates`."""
        people = self.case.approval.status
        match self.said.says:
            case "approve":
                return "agrees" if people == "approved" else "false approval"
            case "reject":
                return "agrees" if people == "rejected" else "false rejection"
            case "escalate":
                return "escalates"


ORDER = ("false approval", "false rejection", "escalates", "agrees")


def in_order(replayed: Sequence[Replayed]) -> list[Replayed]:
    """What is worst comes first."""
    return sorted(replayed, key=lambda each: ORDER.index(each.kind))


async def cases(store: Store, since: float, most: int) -> tuple[Case, ...]:
    """The last calls since then that people decided, at most so many, the newest first."""
    tools = {spec.name: spec for spec in (await status_board.tools(store)).tools}
    collected: list[Case] = []
    async for approval in decided_approvals(store, since):
        case = await case_of(store, approval, tools.get(approval.tool))
        if case is not None:
            collected.append(case)
        if len(collected) >= most:
            break
    return tuple(collected)


async def decided_approvals(store: Store, since: float) -> AsyncIterator[Approval]:
    """The approvals since then that people decided, the newest first."""
    before = ""
    while True:
        page = await store.approvals.find(limit=PAGE, before=before)
        for approval in page:
            if approval.asked_at < since:
                return
            if approval.status in ("approved", "rejected") and approval.decided_via not in BY_ITSELF:
                yield approval
        if len(page) < PAGE:
            return
        before = page[-1].id


async def case_of(store: Store, approval: Approval, spec: ToolSpec | None) -> Case | None:
    """A call as its reviewer would have seen it; None where its log does not tell."""
    begun = call_origin(approval.call) or 0
    log = await store.log.load(approval.conversation, begun - BEFORE, first=AROUND)
    for index, logged in enumerate(log):
        if isinstance(logged.entry, Asked) and logged.entry.call == approval.call:
            name = approval.tool.partition("__")[2]
            tool = spec or ToolSpec(approval.tool, approval.server, name, description="", schema="{}")
            return Case(approval, logged.entry, tool, log=log[:index])
    return None


async def replay_case(model: Model, name: str, policy: str, case: Case) -> Replayed:
    """What the model of this name says of a call by this policy; whatever fails escalates."""
    asked = structs.replace(case.asked, reviewer=name)
    return Replayed(case, await review(model, case.approval.conversation, policy, asked, case.spec, case.log, 0))
