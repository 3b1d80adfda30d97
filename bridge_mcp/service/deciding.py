"""Deciding on calls, and calling tools oneself: both through the one gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from uuid import uuid4

from bridge_mcp.core.answers import (
    Decision,
    Ticket,
)
from bridge_mcp.core.entries import (
    Call,
    Requested,
    call_id,
)
from bridge_mcp.core.errors import BadInput, Conflict, NotFound
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.tools import JSON, canonical
from bridge_mcp.engine import board, tickets, verdicts
from bridge_mcp.engine.addresses import (
    CALLS,
    check_text,
)
from bridge_mcp.service.desk import Desk

__all__ = ["Deciding"]


class Deciding(Desk):
    """What needs the scopes `approve` and `tools`."""

    async def approve_call(
        self,
        who: Principal,
        approval_id: str,
        *,
        digest: str = "",
        arguments: Mapping[str, JSON] | None = None,
        remember: Literal["once", "conversation", "always"] = "once",
        note: str = "",
    ) -> Decision:
        """Let one waiting call run; with `arguments`, as edited.

        With `digest`, only if it is the digest of what waits. `remember` also grants later calls of this tool, in this
        conversation or always, until the grant is revoked. The first verdict wins.

        Raises:
            AlreadyDecided: somebody was first; the message says who, and how.
            BadInput: the digest does not match, or the edited arguments break the tool's schema.
            Denied: whoever asked for a call may not approve it.
        """
        who.require("approve")
        check_text(note, "note", 2_000)
        if remember not in ("once", "conversation", "always"):
            raise BadInput(f"'{remember}' cannot be remembered.", fix="Use once, conversation or always.")
        approval = await self._approval(who, approval_id)
        return await verdicts.approve(
            self.store, approval, who, self._clock, self._check, digest=digest, arguments=arguments,
            remember=remember, note=note,
        )  # fmt: skip

    async def reject_call(self, who: Principal, approval_id: str, *, reason: str = "") -> Decision:
        """Keep one waiting call from running; the model is told the reason.

        Raises:
            AlreadyDecided: somebody was first; the message says who, and how.
        """
        who.require("approve")
        check_text(reason, "reason", 2_000)
        approval = await self._approval(who, approval_id)
        return await verdicts.reject(self.store, approval, who, reason)

    async def call_tool(
        self,
        who: Principal,
        tool: str,
        arguments: Mapping[str, JSON],
        *,
        wait_s: float = 20.0,
        idempotency_key: str = "",
    ) -> Ticket:
        """Call a nested tool through the same gate as the assistant: a free call answers at once, others wait.

        While the ticket is open it names the approval it waits for; the caller may not give that itself.
        """
        who.require("tools")
        listed = await board.tools(self.store)
        spec = next((spec for spec in listed.tools if spec.name == tool), None)
        if spec is None:
            known = ", ".join(s.name for s in listed.tools[:20]) or "none yet"
            raise NotFound(f"There is no tool '{tool}'.", fix=f"The tools are: {known}.")
        wrong = self._check(spec, arguments)
        if wrong:
            raise BadInput(f"These arguments do not fit {tool}: {wrong}", fix="See its schema in list_tools.")
        conversation = f"{CALLS}/{tickets.call_conversation(who.name, idempotency_key or uuid4().hex)}"
        asked = Requested((Call(call_id(0, 0), tool, canonical(dict(arguments))),), by=who.name)
        try:
            await self.store.log.intend(conversation, 0, asked)
        except Conflict:
            await self._same_request(conversation, asked)
        return await self._wait(tickets.call(conversation), wait_s, for_people=False)
