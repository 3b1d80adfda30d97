"""Tickets: ids of what takes longer than a call may. A ticket is an address into a log; its state is read from there.

turn:CONVERSATION#SEQ       the message that opened (or joined) the turn
question:CONVERSATION#SEQ   the question
call:calls/CLIENT.HASH      the log of one call by an MCP client
ap_HEX                      an approval's own id
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

from bridge_mcp.core.answers import Ticket, TicketKind
from bridge_mcp.core.entries import (
    Asked,
    Cleared,
    Finished,
    Heard,
    Judged,
    Log,
    Logged,
    Posted,
    Replied,
    Stopped,
    Withdrawn,
    approval_id,
)
from bridge_mcp.core.entries import message_id as message_of
from bridge_mcp.core.errors import BadInput, NotFound
from bridge_mcp.core.state import open_calls
from bridge_mcp.engine.addresses import CALLS, check_text, parse_conversation, parse_message
from bridge_mcp.ports import Store

__all__ = [
    "CANCELLED",
    "Watched",
    "call",
    "call_conversation",
    "is_call_of",
    "look",
    "look_at_call",
    "parse",
    "question",
    "turn",
]

APPROVAL = re.compile(r"ap_[0-9a-f]{16}")

CANCELLED = "its caller cancelled it"
"""Why a turn was stopped whose caller took it back."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a ticket points at. `conversation` is empty for an approval, whose id does not tell it."""

    kind: TicketKind
    conversation: str
    seq: int = 0


def turn(conversation: str, seq: int) -> str:
    return f"turn:{message_of(conversation, seq)}"


def question(conversation: str, seq: int) -> str:
    return f"question:{message_of(conversation, seq)}"


def call(conversation: str) -> str:
    return f"call:{conversation}"


def call_conversation(client: str, key: str) -> str:
    """The chat part of a client call's conversation: the same client and key give the same one."""
    hashed = hashlib.sha256(f"{client}\0{key}".encode()).hexdigest()[:24]
    return f"{slug(client)}.{hashed}"


def is_call_of(conversation: str, client: str) -> bool:
    """Whether a `calls/…` conversation holds a call of this client."""
    return conversation.partition("/")[2].rpartition(".")[0] == slug(client)


def slug(client: str) -> str:
    """A client's name as a part of an address; two clients never have the same."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", client)[:64]
    return plain if plain == client else f"{plain[:47]}~{hashlib.sha256(client.encode()).hexdigest()[:16]}"


def parse(ticket: str) -> Parsed:
    """What a ticket points at.

    Raises:
        BadInput: this is no ticket.
    """
    check_text(ticket, "ticket", 340)
    if APPROVAL.fullmatch(ticket):
        return Parsed("approval", "")
    kind, _, rest = ticket.partition(":")
    match kind:
        case "turn" | "question":
            conversation, seq = parse_message(rest)
            return Parsed(kind, conversation, seq)
        case "call":
            if parse_conversation(rest) == CALLS:
                return Parsed("call", rest)
        case _:
            pass
    raise BadInput(f"'{ticket[:80]}' is no ticket.", fix="Pass a ticket, or an approval's id, as another tool gave it.")


async def look(store: Store, ticket: str, now: float) -> Ticket:
    """How a ticket stands.

    Raises:
        NotFound: it points nowhere.
    """
    return await Watched(store, ticket).look(now)


class Watched:
    """A ticket that is looked at more than once: each look reads only what is new."""

    def __init__(self, store: Store, ticket: str) -> None:
        self.ticket = ticket
        self._store = store
        self._parsed = parse(ticket)
        self._log: list[Logged] = []

    async def look(self, now: float) -> Ticket:
        """How it stands. Raises as `look`."""
        ticket, parsed, log = self.ticket, self._parsed, self._log
        if parsed.kind == "approval":
            return await look_at_approval(self._store, ticket)
        log += await self._store.log.load(parsed.conversation, log[-1].seq if log else parsed.seq - 1)
        if not log:
            raise NotFound(
                f"The ticket '{ticket}' points nowhere.", fix="Tickets come from run_turn, ask_user, call_tool."
            )
        match parsed.kind:
            case "turn":
                found = look_at_turn(log, ticket, parsed)
            case "question":
                found = look_at_question(log, ticket, parsed, now)
            case _:
                return look_at_call(log, ticket, parsed.conversation)
        return dated(found, log)


async def look_at_approval(store: Store, ticket: str) -> Ticket:
    approval = await store.approvals.get(ticket)
    if approval is None:
        raise NotFound(f"There is no approval '{ticket}'.", fix="See list_approvals.")
    if approval.status == "waiting":
        return Ticket(ticket, "approval", approval.conversation, "open", approvals=(ticket,))
    return Ticket(ticket, "approval", approval.conversation, "done", approval.status, approval.note)


def look_at_turn(log: Log, ticket: str, parsed: Parsed) -> Ticket:
    conversation = parsed.conversation
    if not isinstance(log[0].entry, Heard):
        raise NotFound(f"The ticket '{ticket}' names no message.", fix="Pass the ticket as run_turn gave it.")
    for logged in log:
        match logged.entry:
            case Replied(upto=upto, calls=(), text=text) if upto > parsed.seq:
                here = message_of(conversation, logged.seq) if text else ""
                return Ticket(ticket, "turn", conversation, "done", "replied", text, message=here)
            case Stopped(upto=upto, reason=reason, text=text) if upto > parsed.seq:
                here = message_of(conversation, logged.seq) if text else ""
                outcome = "cancelled" if reason == CANCELLED else "stopped"
                return Ticket(ticket, "turn", conversation, "done", outcome, text or reason, message=here)
            case Withdrawn(message=parsed.seq):
                return Ticket(ticket, "turn", conversation, "done", "cancelled", CANCELLED)
            case Cleared():
                return Ticket(ticket, "turn", conversation, "done", "cleared")
            case _:
                pass
    return Ticket(ticket, "turn", conversation, "open", approvals=waiting(conversation, log))


def waiting(conversation: str, log: Log) -> tuple[str, ...]:
    """The approvals that a log waits for."""
    return tuple(approval_id(conversation, call.id) for call, asked in open_calls(log) if asked is not None)


def look_at_question(log: Log, ticket: str, parsed: Parsed, now: float) -> Ticket:
    conversation, asked = parsed.conversation, log[0].entry
    if not isinstance(asked, Posted) or asked.question is None:
        raise NotFound(f"The ticket '{ticket}' names no question.", fix="Pass the ticket as ask_user gave it.")
    for logged in log:
        match logged.entry:
            case Heard(answers=answers, text=text) if answers == parsed.seq:
                here = message_of(conversation, logged.seq)
                return Ticket(ticket, "question", conversation, "done", "answered", text, message=here)
            case _:
                pass
    if asked.question.expires_at and now >= asked.question.expires_at:
        return Ticket(ticket, "question", conversation, "done", "expired")
    return Ticket(ticket, "question", conversation, "open")


def look_at_call(log: Log, ticket: str, conversation: str) -> Ticket:
    """How the ticket of a client's call stands, by the whole log of its conversation."""
    return dated(of_call(log, ticket, conversation), log)


def dated(ticket: Ticket, log: Log) -> Ticket:
    return replace(ticket, since=log[0].at, changed=log[-1].at)


def of_call(log: Log, ticket: str, conversation: str) -> Ticket:
    for logged in log:
        match logged.entry:
            case Finished() as e:
                return Ticket(
                    ticket,
                    "call",
                    conversation,
                    "done",
                    e.outcome,
                    e.content,
                    e.structured,
                    attachments=e.attachments,
                    truncated=e.truncated,
                )
            case _:
                pass
    ended = next((e.entry for e in log if isinstance(e.entry, Stopped)), None)
    if ended is not None:
        return Ticket(ticket, "call", conversation, "done", "stopped", ended.text or ended.reason)
    asked = [e.entry.call for e in log if isinstance(e.entry, Asked)]
    judged = {e.entry.call for e in log if isinstance(e.entry, Judged)}
    open_now = tuple(approval_id(conversation, c) for c in asked if c not in judged)
    return Ticket(ticket, "call", conversation, "open", approvals=open_now)
