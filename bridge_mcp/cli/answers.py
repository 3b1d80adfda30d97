"""What `say --wait` prints: the answer to one message; and the words of `chat` and of it where nobody will answer."""

from __future__ import annotations

import time

from rich.text import Text

from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.common import OWNER
from bridge_mcp.cli.output import console, indented, print_json
from bridge_mcp.cli.texts import chats as texts
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.safe_text import visible
from bridge_mcp.operations.addresses import parse_message
from bridge_mcp.operations.commands import is_command

__all__ = ["answered", "nobody_answers", "somebody_answers"]

LOOK_S = 2.0
"""How often calls that wait are looked for."""


async def nobody_answers(assembly: Assembly, conversation: str) -> tuple[str, str] | None:
    """Why no assistant answers there, and what to set; None where one does."""
    responder = (await assembly.bridge.get_conversation(OWNER, conversation)).responder
    if responder == "assistant":
        return None
    reason = texts.RESPONDER_OFF if responder == "off" else texts.RESPONDER_RELAY
    return reason, texts.REMOVE_RESPONDER if assembly.config.models else texts.SET_A_MODEL


async def somebody_answers(assembly: Assembly, conversation: str, text: str) -> None:
    """Let pass what is a command, or what an assistant will answer.

    Raises:
        BadInput: nobody would, and waiting would be in vain.
    """
    if not is_command(text) and (reason := await nobody_answers(assembly, conversation)):
        raise BadInput(reason[0], fix=reason[1])


async def answered(assembly: Assembly, conversation: str, message: str, *, wait_s: float, json: bool) -> int:
    """Print the answer to a message once it is there; 1 if there is none."""
    bridge, seen_approvals = assembly.bridge, set[str]()
    ends_at = time.monotonic() + wait_s
    sent = await bridge.store.history.message(*parse_message(message))
    if sent is None or is_command(sent.text):
        last = (await bridge.read_messages(OWNER, conversation, limit=1)).messages
        return printed(last[-1].text, message=message, outcome="replied", json=json)
    while True:
        remaining_s = ends_at - time.monotonic()
        ticket = await bridge.wait_for(OWNER, f"turn:{message}", timeout_s=max(0.0, min(LOOK_S, remaining_s)))
        if ticket.state == "done":
            return printed(ticket.text, message=message, outcome=ticket.outcome, json=json)
        for approval in ticket.approvals:
            if approval not in seen_approvals:
                seen_approvals.add(approval)
                await tell_waiting(assembly, conversation, approval)
        if remaining_s <= 0:
            raise BadInput(
                f"There is no answer after {wait_s:g} s.", fix=f"It comes by itself: bridge-mcp chat {conversation}"
            )


async def tell_waiting(assembly: Assembly, conversation: str, approval: str) -> None:
    """Say on standard error that a call waits, whole, and how to decide it."""
    from bridge_mcp.cli.approvals import approval_view

    err = console(stderr=True)
    for pending in await assembly.bridge.list_approvals(OWNER, conversation=conversation):
        if pending.id == approval:
            for part, whole in approval_view(pending):
                err.print(part, soft_wrap=whole or None)
    hint = texts.approve_by(approval) if assembly.config.rules.cli else texts.ELSEWHERE
    err.print(Text(f"  {texts.waits(hint)}", "yellow"))


def printed(text: str, *, message: str, outcome: str, json: bool) -> int:
    """Print an answer; 1 if the turn ended without one."""
    if json:
        print_json({"message": message, "outcome": outcome, "text": text})
    elif outcome == "replied":
        console().print(Text(visible(text, lines=True)), soft_wrap=True)
    else:
        console(stderr=True).print(indented(Text(texts.no_answer(visible(outcome), visible(text, lines=True))), 0))
    return 0 if outcome == "replied" else 1
