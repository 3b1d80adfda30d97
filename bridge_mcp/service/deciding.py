"""Verdicts on calls, and calls of tools by clients: both by the same approvals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal
from uuid import uuid4

from bridge_mcp.core.arguments import repaired_arguments
from bridge_mcp.core.entries import (
    Call,
    Requested,
    call_id,
)
from bridge_mcp.core.errors import AlreadyDecided, BadInput, Conflict, NotFound
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.results import (
    Decision,
    Ticket,
    ToolList,
)
from bridge_mcp.core.tools import JSON, ToolSpec, arguments_text, parse_arguments
from bridge_mcp.operations import status_board, tickets
from bridge_mcp.operations.addresses import (
    CALLS,
    check_text,
)
from bridge_mcp.operations.approvals import ApprovalOptions
from bridge_mcp.operations.clocks import elapsed
from bridge_mcp.operations.commit_wait import CommitWait
from bridge_mcp.ports import ToolProgress
from bridge_mcp.service.base import BridgeBase, check_patterns, check_wait

__all__ = ["ApprovalOptions", "Deciding", "decided"]

MAX_AT_ONCE = 100
"""Calls decided together."""

LOOK_S = 0.5
"""How often a tool that is not there yet is looked up, beside at changes."""

REVIEWS_S = 40.0
"""How long a form for people waits for reviewers."""

LONGEST_S = 366 * 24 * 3600.0
"""The longest time limit of a grant."""


class Deciding(BridgeBase):
    """Methods that need the scopes `approve` and `tools`."""

    async def approve_call(
        self,
        who: Principal,
        approval_id: str,
        *,
        digest: str = "",
        arguments: Mapping[str, JSON] | None = None,
        remember: Literal["once", "conversation", "always"] = "once",
        remember_arguments: Mapping[str, str] | None = None,
        remember_s: float = 0.0,
        note: str = "",
    ) -> Decision:
        """Approve one waiting call; with `arguments`, it runs with these instead.

        With `digest`, only if it is the waiting call's. `remember` also grants later calls of this tool, in this
        conversation or always, for `remember_s` seconds or (0) until the grant is revoked; `remember_arguments` limits
        it to calls whose arguments match these patterns (`core/grants.py`), as this call's have to. The first verdict
        wins. A call with a quorum waits until it has enough approvers.

        Raises:
            AlreadyDecided: there is a verdict; the message says whose, and which.
            BadInput: the digest does not match, or the new arguments violate the tool's schema.
            Denied: `who` asked for this call itself.
        """
        yes = ApprovalOptions(
            digest, arguments, remember, remember_arguments=remember_arguments or {}, remember_s=remember_s, note=note
        )
        (decision,) = await self.approve_calls(who, (approval_id,), yes)
        return decided(decision)

    async def reject_call(self, who: Principal, approval_id: str, *, reason: str = "") -> Decision:
        """Reject one waiting call; the model sees the reason.

        Raises:
            AlreadyDecided: there is a verdict; the message says whose, and which.
        """
        (decision,) = await self.reject_calls(who, (approval_id,), reason=reason)
        return decided(decision)

    async def approve_calls(
        self, who: Principal, approval_ids: Sequence[str], yes: ApprovalOptions
    ) -> tuple[Decision, ...]:
        """Approve several waiting calls, or none if `who` may not decide one of them, or one is decided.

        One that somebody else decides at the same moment gets an `error` in its `Decision`. Else as `approve_call`.
        """
        who.require("approve")
        check_text(yes.note, "note", 2_000)
        if yes.remember not in ("once", "conversation", "always"):
            raise BadInput(f"'{yes.remember}' cannot be remembered.", fix="Use once, conversation or always.")
        check_patterns(yes.remember_arguments)
        if not 0 <= yes.remember_s <= LONGEST_S:
            raise BadInput(
                f"Nothing is remembered for {yes.remember_s:g} s.", fix=f"Use 0 (for ever) to {LONGEST_S:g}."
            )
        if len(approval_ids) > 1 and (yes.digest or yes.arguments is not None):
            raise BadInput("A digest, or edited arguments, belong to one call.", fix="Decide that call by itself.")
        return await self.verdicts.approve(who, await self._approvals(who, approval_ids), yes)

    async def reject_calls(
        self, who: Principal, approval_ids: Sequence[str], *, reason: str = ""
    ) -> tuple[Decision, ...]:
        """Reject several waiting calls; see `approve_calls`."""
        who.require("approve")
        check_text(reason, "reason", 2_000)
        return await self.verdicts.reject(who, await self._approvals(who, approval_ids), reason)

    async def after_review(self, approvals: Sequence[str]) -> tuple[Approval, ...]:
        """These approvals, once no reviewer looks at them any more, or has kept people waiting for too long."""
        with CommitWait(self.store.agenda, REVIEWS_S) as wait:
            while True:
                current = [await self.store.approvals.get(approval) for approval in approvals]
                reviewed = tuple(approval for approval in current if approval is not None)
                if not any(approval.in_review for approval in reviewed) or not await wait.more(REVIEWS_S):
                    return reviewed

    async def _approvals(self, who: Principal, approval_ids: Sequence[str]) -> list[Approval]:
        if not 0 < len(approval_ids) <= MAX_AT_ONCE:
            raise BadInput(f"{len(approval_ids)} calls cannot be decided at once.", fix=f"Name 1 to {MAX_AT_ONCE}.")
        return [await self._approval(who, word) for word in dict.fromkeys(approval_ids)]

    async def call_tool(
        self,
        who: Principal,
        tool: str,
        arguments: Mapping[str, JSON],
        *,
        wait_s: float = 20.0,
        idempotency_key: str = "",
        progress: ToolProgress | None = None,
        verbatim: bool = False,
    ) -> Ticket:
        """Call a nested tool under the same approvals as the assistant: a free call runs at once, others wait.

        While the ticket is open it names the approval it waits for, which the caller may not give itself. `progress`
        gets the server's progress during this wait. A limited client may call the tools of its channels, under their
        rules; a tool whose server is still connecting is waited for. `verbatim`: the ticket holds the result as the
        tool's server gave it, too.
        """
        who.require("tools")
        text = arguments_text(arguments)
        conversation = f"{CALLS}/{tickets.call_conversation(who.name, idempotency_key or uuid4().hex)}"
        within, ends = tuple(sorted(who.within)), elapsed() + check_wait(wait_s)
        fast_path = self._fast_path()
        spec = fast_path.find(conversation, tool, within) if fast_path else None
        if spec is None:
            fast_path, spec = None, await self._published_tool(who, tool, wait_s)
        repaired = repaired_arguments(text, spec.schema)
        if repaired != text:
            text, arguments = repaired, parse_arguments(repaired)
        wrong = await self._check(spec, arguments)
        if wrong:
            raise BadInput(f"These arguments do not fit {tool}: {wrong}", fix="See its schema in list_tools.")
        asked = Requested(
            (Call(call_id(0, 0), tool, text),), by=who.name, within=within, verbatim=verbatim, trace=who.trace
        )
        ticket = tickets.call(conversation)
        if idempotency_key and await self.store.log.entry(conversation, 0):
            fast_path = None  # it is in the log already: even a read-only call is not run again
        try:
            log = await fast_path.request(conversation, asked, wait_s, progress) if fast_path else ()
            if log:
                return tickets.look_at_call(log, ticket, conversation)
            if log is not None:
                await self.store.log.intend(conversation, 0, asked)
        except Conflict:
            await self._same_request(conversation, asked)
        remaining_s = min(wait_s, max(0.0, ends - elapsed()))
        return await self._wait(ticket, remaining_s, for_people=False, progress=progress)

    async def callable_tools(self, who: Principal) -> ToolList:
        """The nested tools that `who` may call, as the engine last published them."""
        who.require("tools")
        return await self._tools(who)

    async def callable_tool(self, who: Principal, tool: str) -> ToolSpec | None:
        """One of them by its name; None if there is none now."""
        who.require("tools")
        fast_path = self._fast_path()
        offered = fast_path.find(CALLS, tool, tuple(sorted(who.within))) if fast_path else None
        if offered is not None:
            return offered
        return next((spec for spec in (await self._tools(who)).tools if spec.name == tool), None)

    async def published_tools(self) -> tuple[ToolSpec, ...]:
        """All nested tools as the engine last published them."""
        return (await status_board.tools(self.store)).tools

    async def _published_tool(self, who: Principal, tool: str, wait_s: float) -> ToolSpec:
        """The tool of this name, as the engine last published it; waits while servers are connecting."""
        with CommitWait(self.store.agenda, wait_s) as wait:
            while True:
                listed = await self._tools(who)
                spec = next((spec for spec in listed.tools if spec.name == tool), None)
                if spec is not None:
                    return spec
                coming = [server.name for server in listed.servers if server.state == "connecting"]
                starting = not listed.servers and not self._is_engine() and self._starting()
                if not (coming or starting) or not await wait.more(LOOK_S):
                    names = ", ".join(s.name for s in listed.tools[:20]) or "none yet"
                    still = f" Still connecting: {', '.join(coming)}; call again." if coming else ""
                    raise NotFound(f"There is no tool '{tool[:80]}'.", fix=f"The tools are: {names}.{still}")


def decided(decision: Decision) -> Decision:
    """The decision, without an error.

    Raises:
        AlreadyDecided: somebody was faster by a moment.
    """
    if decision.error:
        raise AlreadyDecided(decision.error, fix="See list_approvals for what still waits.")
    return decision
