"""Tickets: ids of operations that take longer than a call may. A ticket points into a log, which holds its state.

turn:CONVERSATION#SEQ       the message that opened (or joined) the turn
question:CONVERSATION#SEQ   the question
call:calls/CLIENT.HASH      the log of one call by an MCP client
ap_HEX                      an approval's own id
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.core.address import Address
from bridge_mcp.core.answering import answer_in
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
    message_id,
)
from bridge_mcp.core.errors import BadInput, NotFound
from bridge_mcp.core.gathering import LONGEST_S
from bridge_mcp.core.requests import RequestState, request_in
from bridge_mcp.core.results import Ticket, TicketKind
from bridge_mcp.core.tools import JSON, canonical, parse_arguments
from bridge_mcp.operations.addresses import CALLS, check_text, parse_conversation, parse_message
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
    "slug",
    "turn",
]

APPROVAL = re.compile(r"ap_[0-9a-f]{16}")

ENTRIES_A_LOOK, MAX_LOOKS = 128, 20
"""Entries that are searched for the end of a turn at once, and how often in one look. The end of a message that was
answered together with a later one may be far behind it: a later look goes on from there."""

MAX_APPROVALS = 100

SHOWN_CHARS = 10_000
"""Of the arguments that an approver has changed, in the ticket of a call that its caller runs."""

CANCELLED = "its caller cancelled it"
"""The reason of a turn that its caller cancelled."""


class Parsed(Struct, frozen=True):
    """The parts of a ticket. `conversation` is empty for an approval, whose id does not name it."""

    kind: TicketKind
    conversation: str
    seq: int = 0


def turn(conversation: str, seq: int) -> str:
    """The ticket of the turn that this message opened or joined."""
    return f"turn:{message_id(conversation, seq)}"


def question(conversation: str, seq: int) -> str:
    """The ticket of this question."""
    return f"question:{message_id(conversation, seq)}"


def call(conversation: str) -> str:
    """The ticket of a client's call, by its own conversation."""
    return f"call:{conversation}"


def call_conversation(client: str, key: str) -> str:
    """The chat part of a client call's conversation: the same client and key give the same one."""
    hashed = hashlib.sha256(f"{client}\0{key}".encode()).hexdigest()[:24]
    return f"{slug(client)}.{hashed}"


def is_call_of(conversation: str, client: str) -> bool:
    """Whether a `calls/…` conversation holds a call of this client."""
    return Address.of(conversation).chat.rpartition(".")[0] == slug(client)


def slug(client: str) -> str:
    """A client's name as a part of an address, unique among clients."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", client)[:64]
    return plain if plain == client else f"{plain[:47]}~{hashlib.sha256(client.encode()).hexdigest()[:16]}"


def parse(ticket: str) -> Parsed:
    """Parse a ticket.

    Raises:
        BadInput: this is no ticket.
    """
    check_text(ticket, "ticket", 340)
    if APPROVAL.fullmatch(ticket):
        return Parsed("approval", "")
    kind, _, target = ticket.partition(":")
    match kind:
        case "turn" | "question":
            conversation, seq = parse_message(target)
            return Parsed(kind, conversation, seq)
        case "call":
            if parse_conversation(target).channel == CALLS:
                return Parsed("call", target)
        case _:
            pass
    raise BadInput(f"'{ticket[:80]}' is no ticket.", fix="Pass a ticket, or an approval's id, as another tool gave it.")


async def look(store: Store, ticket: str, now: float) -> Ticket:
    """The state of a ticket.

    Raises:
        NotFound: it points to nothing.
    """
    return await Watched(store, ticket).look(now)


ENTRIES_OF_ANSWER = 32
"""Entries after the first message of an answer that may continue or edit it."""


class Watched:
    """A ticket that is read repeatedly: each look reads new entries only."""

    def __init__(self, store: Store, ticket: str) -> None:
        self.ticket = ticket
        self._store = store
        self._parsed = parse(ticket)
        self._first: Logged | None = None
        self._changed = 0.0
        self._read = self._parsed.seq
        """The seq up to which the log was searched for the end of the turn."""

    async def look(self, now: float) -> Ticket:
        """The current state. Raises as `look`."""
        match self._parsed.kind:
            case "approval":
                return await look_at_approval(self._store, self.ticket)
            case "call":
                return look_at_call(await self._whole(), self.ticket, self._parsed.conversation)
            case "turn":
                ticket = await self._turn()
            case "question":
                ticket = await self._question(now)
        first = await self._opening_entry()
        return replace(ticket, since=first.at, changed=max(first.at, self._changed))

    async def _whole(self) -> Log:
        """The whole log of a call's conversation."""
        log = await self._store.log.load(self._parsed.conversation)
        if not log:
            raise self._nowhere()
        return log

    async def _opening_entry(self) -> Logged:
        """The entry that the ticket points to."""
        if self._first is None:
            self._first = await self._store.log.entry(self._parsed.conversation, self._parsed.seq)
            if self._first is None:
                raise self._nowhere()
        return self._first

    def _nowhere(self) -> NotFound:
        reason = f"The ticket '{self.ticket}' points nowhere."
        return NotFound(reason, fix="Tickets come from run_turn, ask_user, call_tool.")

    async def _turn(self) -> Ticket:
        """The state of a turn. The end of a finished one is not far behind its message."""
        log, conversation, seq = self._store.log, self._parsed.conversation, self._parsed.seq
        if not isinstance((await self._opening_entry()).entry, Heard):
            raise NotFound(f"The ticket '{self.ticket}' names no message.", fix="Pass the ticket as run_turn gave it.")
        for look in range(MAX_LOOKS):
            entries = await log.load(conversation, self._read, first=ENTRIES_A_LOOK)
            ended = next((end for entry in entries if (end := self._end(entry)) is not None), None)
            if ended is not None:
                return ended
            if entries:
                self._read, self._changed = entries[-1].seq, entries[-1].at
            if len(entries) < ENTRIES_A_LOOK:
                break
            if not look and (unsettled := await log.unsettled(conversation)) is not None and unsettled <= seq:
                # It is open, whatever came later, unless this message alone was withdrawn.
                withdrawn = await log.find(conversation, f"withdrawn:{seq}")
                if withdrawn is not None and (ended := self._end(withdrawn)) is not None:
                    return ended
                (last,) = await log.load(conversation, last=1)
                self._read, self._changed = last.seq, last.at
                break
        waiting = await self._store.approvals.find(status="waiting", conversation=conversation, limit=MAX_APPROVALS)
        return Ticket(self.ticket, "turn", conversation, state="open", approvals=tuple(a.id for a in waiting))

    def _end(self, logged: Logged) -> Ticket | None:
        """The ticket of the turn, if this entry ends it; else None."""
        ticket = end_of_turn(self.ticket, self._parsed, logged)
        if ticket is not None:
            self._changed = logged.at
        return ticket

    async def _question(self, now: float) -> Ticket:
        """The state of a question; its answer is stored beside the log."""
        conversation, seq, asked = self._parsed.conversation, self._parsed.seq, (await self._opening_entry()).entry
        if not isinstance(asked, Posted) or asked.question is None:
            raise NotFound(f"The ticket '{self.ticket}' names no question.", fix="Pass the ticket as ask_user gave it.")
        answer = await self._store.traces.answer(conversation, seq)
        if answer is not None:
            log = await self._store.log.load(conversation, answer - 1, first=ENTRIES_OF_ANSWER)
            self._changed = log[0].at
            answering = answer_in(log, seq)
            if answering is not None and now < answering.settled_at <= now + LONGEST_S:
                return Ticket(
                    self.ticket, "question", conversation, state="open"
                )  # a long text that the platform split: more of it is to come
            message, text = message_id(conversation, answer), "" if answering is None else answering.text
            return Ticket(
                self.ticket, "question", conversation, state="done", outcome="answered", text=text, message=message
            )
        expired = asked.question.expires_at and now >= asked.question.expires_at
        if expired or await self._store.log.find(conversation, f"lapsed:{seq}") is not None:
            return Ticket(self.ticket, "question", conversation, state="done", outcome="expired")
        return Ticket(self.ticket, "question", conversation, state="open")


async def look_at_approval(store: Store, ticket: str) -> Ticket:
    approval = await store.approvals.get(ticket)
    if approval is None:
        raise NotFound(f"There is no approval '{ticket}'.", fix="See list_approvals.")
    if approval.status == "waiting":
        return Ticket(ticket, "approval", approval.conversation, state="open", approvals=(ticket,))
    return Ticket(ticket, "approval", approval.conversation, state="done", outcome=approval.status, text=approval.note)


def end_of_turn(ticket: str, parsed: Parsed, logged: Logged) -> Ticket | None:
    """The ticket of the turn that a message opened or joined, if this later entry ends it; else None."""
    conversation = parsed.conversation
    match logged.entry:
        case Replied(upto=upto, calls=(), text=text) if upto > parsed.seq:
            message = message_id(conversation, logged.seq) if text else ""
            return Ticket(ticket, "turn", conversation, state="done", outcome="replied", text=text, message=message)
        case Stopped(upto=upto, reason=reason, text=text) if upto > parsed.seq:
            message = message_id(conversation, logged.seq) if text else ""
            outcome = "cancelled" if reason == CANCELLED else "stopped"
            return Ticket(
                ticket, "turn", conversation, state="done", outcome=outcome, text=text or reason, message=message
            )
        case Withdrawn(message=parsed.seq):
            return Ticket(ticket, "turn", conversation, state="done", outcome="cancelled", text=CANCELLED)
        case Cleared():
            return Ticket(ticket, "turn", conversation, state="done", outcome="cleared")
        case _:
            return None


def look_at_call(log: Log, ticket: str, conversation: str) -> Ticket:
    """The state of a client's call, by the whole log of its conversation."""
    return replace(call_ticket(log, ticket, conversation), since=log[0].at, changed=log[-1].at)


def request_ticket(request: RequestState, ticket: str) -> Ticket:
    """How the ticket stands of a call that its caller runs elsewhere: it is done once there is a verdict."""
    conversation, status, verdict = request.conversation, request.standing, request.judged
    if status == "waiting":
        return Ticket(
            ticket, "call", conversation, state="open", approvals=(request.approval,) if request.approval else ()
        )
    ended = Ticket(ticket, "call", conversation, state="done", outcome=status, text=verdict.note if verdict else "")
    if status == "approved" and verdict is not None and request.finished is None:
        return replace(ended, structured=approved_text(request, verdict))
    if status == "consumed":
        return ended
    if request.finished is not None and (status == "over" or request.finished.outcome == "undelivered"):
        return replace(ended, outcome=request.finished.outcome, text=request.finished.content)
    return ended


def approved_text(request: RequestState, verdict: Judged) -> str:
    """What a verdict lets run, until when, and the digest by which it is taken, as JSON text.

    Arguments that an approver has changed stand in it unless they are long: whoever takes the verdict gets them whole.
    """
    until = datetime.fromtimestamp(request.run_before, UTC).isoformat(timespec="seconds")
    fields: dict[str, JSON] = {
        "digest": verdict.digest,
        "edited": verdict.arguments is not None,
        "run_before": until.replace("+00:00", "Z"),
    }
    if verdict.arguments is not None and len(verdict.arguments) <= SHOWN_CHARS:
        fields["arguments"] = parse_arguments(verdict.arguments)
    return canonical(fields)


def call_ticket(log: Log, ticket: str, conversation: str) -> Ticket:
    requested = request_in(conversation, log)
    if requested is not None:
        return request_ticket(requested, ticket)
    finished = next((logged for logged in log if isinstance(logged.entry, Finished)), None)
    stopped = next((logged for logged in log if isinstance(logged.entry, Stopped)), None)
    if stopped is not None and isinstance(stopped.entry, Stopped) and (finished is None or stopped.seq < finished.seq):
        # The outcome of a call that was cancelled before changes nothing: its caller was told so.
        ran = finished.entry if finished is not None else None
        text = ran.content if isinstance(ran, Finished) else stopped.entry.text or stopped.entry.reason
        return Ticket(ticket, "call", conversation, state="done", outcome="stopped", text=text)
    if finished is not None and isinstance(finished.entry, Finished):
        ended = finished.entry
        return Ticket(
            ticket,
            "call",
            conversation,
            state="done",
            outcome=ended.outcome,
            text=ended.content,
            structured=ended.structured,
            attachments=ended.attachments,
            truncated=ended.truncated,
            raw=ended.raw,
        )
    asked = [e.entry.call for e in log if isinstance(e.entry, Asked)]
    judged = {e.entry.call for e in log if isinstance(e.entry, Judged)}
    open_now = tuple(approval_id(conversation, c) for c in asked if c not in judged)
    return Ticket(ticket, "call", conversation, state="open", approvals=open_now)
