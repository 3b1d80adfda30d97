"""Elicitation: the person at a host decides in its forms on the calls that it makes.

Only if the owner says that a person is there (`person_decides`), because a host could answer its own forms; only if the
client declares the capability; and only an explicit answer is a verdict, because some hosts decline forms unseen. In
any other case the ticket stays open, to be decided elsewhere.

Handshake-era clients are asked during their call; from 2026-07-28 on a call gets an `input_required` result, and is
repeated with the answers (https://modelcontextprotocol.io/specification/2026-07-28/basic/utilities/mrtr).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from bridge_mcp.core.errors import AlreadyDecided
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.results import Ticket
from bridge_mcp.core.safe_text import pretty, visible
from bridge_mcp.server.protocol.request_context import request_channel
from bridge_mcp.server.protocol.signed_handles import HandleSigner
from bridge_mcp.service import Bridge

__all__ = ["Elicitation"]

logger = logging.getLogger(__name__)

FORMS_S = 45.0
"""How long a handshake-era call waits for its forms: hosts cut calls near 60 seconds."""

WAIT_S = 20.0
"""How long a call waits for its outcome after the verdict."""

MAX_SHOWN = 3_000
"""Characters of arguments that a form shows. Longer ones are decided elsewhere, where they can be read whole."""

SCHEMA: types.ElicitRequestedSchema = {
    "type": "object",
    "properties": {
        "decision": {"type": "string", "title": "Decision", "enum": ["approve", "reject"]},
        "note": {"type": "string", "title": "Note", "description": "Why; whoever asked is told", "maxLength": 2_000},
    },
    "required": ["decision"],
}


class Elicitation:
    """Asks the person at a host about the waiting approvals of a ticket."""

    def __init__(self, bridge: Bridge, signer: HandleSigner) -> None:
        self._bridge = bridge
        self._signer = signer

    def wanted(self, ctx: ServerRequestContext[Any, Any], who: Principal) -> bool:
        """Whether a person is there, and the client declares elicitation."""
        capabilities = ctx.session.client_capabilities
        elicitation = capabilities.elicitation if capabilities is not None else None
        # Before there were modes, an empty object meant forms.
        has_forms = elicitation is not None and (elicitation.form is not None or elicitation.url is None)
        return has_forms and who.attended and not self._bridge.rules.separate

    async def ask(self, ctx: ServerRequestContext[Any, Any], who: Principal, ticket: str) -> Ticket | dict[str, Any]:
        """Ask about the approvals of an open ticket; returns the ticket after that, or an `input_required` result."""
        current = await self._bridge.follow(who, ticket)
        if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            return await self._asked(ctx, who, current)
        askable = await self._askable(current)
        return await self._needed(who, ticket, askable) if askable else current

    async def resumed(self, who: Principal, params: types.InputResponseRequestParams) -> tuple[Ticket, bool]:
        """Resume a call after an `input_required` result: its ticket, and whether to ask about further approvals."""
        ticket = await self._signer.opened(who, params.request_state or "")
        decided = False
        for approval in await self._askable(await self._bridge.follow(who, ticket)):
            answer = (params.input_responses or {}).get(approval.id)
            if isinstance(answer, types.ElicitResult):
                decided |= await self._take(who, ticket, approval, answer)
        return await self._bridge.follow(who, ticket, wait_s=WAIT_S if decided else 0.0), decided

    async def _needed(self, who: Principal, ticket: str, approvals: Sequence[Approval]) -> dict[str, Any]:
        """The `input_required` result."""
        forms = {
            each.id: {
                "method": "elicitation/create",
                "params": {"mode": "form", "message": form_text(each), "requestedSchema": SCHEMA},
            }
            for each in approvals
        }
        return {
            "resultType": "input_required",
            "inputRequests": forms,
            "requestState": await self._signer.sealed(who, ticket),
        }

    async def _asked(self, ctx: ServerRequestContext[Any, Any], who: Principal, ticket: Ticket) -> Ticket:
        """Ask during a call (handshake era); returns the ticket after that."""
        seen: set[str] = set()
        with anyio.move_on_after(FORMS_S):
            while unseen := [each for each in await self._askable(ticket) if each.id not in seen]:
                seen.add(unseen[0].id)
                try:
                    answer = await show_form(ctx, form_text(unseen[0]))
                except MCPError as exc:
                    logger.info("%s could not show a form: %s", who.name, exc)
                    return ticket
                if await self._take(who, ticket.id, unseen[0], answer):
                    ticket = await self._bridge.follow(who, ticket.id, wait_s=WAIT_S)
        return ticket

    async def _askable(self, ticket: Ticket) -> Sequence[Approval]:
        """The approvals of a ticket that a form can show completely, once their reviewers have looked at them."""
        approvals = await self._bridge.after_review(ticket.approvals)
        waiting = [each for each in approvals if each.status == "waiting" and not each.in_review]
        return [each for each in waiting if len(form_arguments(each.arguments)) <= MAX_SHOWN]

    async def _take(self, who: Principal, ticket: str, approval: Approval, answer: types.ElicitResult) -> bool:
        """Record the answer to a form; returns whether it was a verdict."""
        content: Mapping[str, Any] = answer.content or {}
        decision = content.get("decision") if answer.action == "accept" else None
        if decision not in ("approve", "reject"):
            return False
        note = content.get("note")
        try:
            await self._bridge.decide_in_person(
                who,
                ticket,
                approval.id,
                digest=approval.digest,
                approve=decision == "approve",
                note=note[:2_000] if isinstance(note, str) else "",
            )
        except AlreadyDecided as exc:
            logger.info("%s", exc)
        return True


async def show_form(ctx: ServerRequestContext[Any, Any], text: str) -> types.ElicitResult:
    """Ask by a form within a call (handshake era).

    The request has an id of its own: the SDK counts them in each process, and the answer may reach another one.

    Raises:
        MCPError: the client cannot show it.
    """
    params = types.ElicitRequestFormParams(message=text, requested_schema=SCHEMA)
    channel = request_channel(ctx)
    body = params.model_dump(by_alias=True, mode="json", exclude_none=True)
    answer = await channel.send_raw_request("elicitation/create", body, {"request_id": f"form-{uuid4().hex}"})
    return types.ElicitResult.model_validate(answer, by_name=False)


def form_arguments(arguments: str) -> str:
    """Arguments as a form shows them, and by which their length is measured."""
    return visible(pretty(arguments), lines=True)


def form_text(approval: Approval) -> str:
    """The text of a form: the whole call, quoted so that nothing in it can disguise itself."""
    return (
        f"Run {visible(approval.tool)}?\n\n{form_arguments(approval.arguments)}\n\n"
        f"Why you are asked: {visible(approval.reason)} Asked for by {visible(approval.requested_by)}."
        f"{review_words(approval)}"
    )


def review_words(approval: Approval) -> str:
    """What its reviewer says, where there is one that has."""
    if not approval.review:
        return ""
    verdict = f"\n\nThe reviewer ({visible(approval.reviewer)}) says {approval.review}"
    return f"{verdict}: {visible(approval.review_reason)}" if approval.review_reason else f"{verdict}."
