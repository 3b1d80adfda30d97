"""Chats in the shapes that the MCP face gives them: conversations, messages, events, tickets, approvals.

Knows the answers and the shapes; neither who asked nor how an answer travels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from bridge_mcp.core.entries import (
    Attachment,
    Sender,
)
from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import JSON, read_json
from bridge_mcp.core.projections import (
    Approval,
    Conversation,
    Event,
    Message,
)
from bridge_mcp.core.results import (
    ApprovalPage,
    ConversationPage,
    ConversationStatus,
    Decision,
    MessagePage,
    Sent,
    Ticket,
)
from bridge_mcp.core.spending import Spent
from bridge_mcp.core.token_estimate import tokens_of
from bridge_mcp.core.tools import (
    WHOLE_JSON,
    WHOLE_TEXT,
)
from bridge_mcp.ports import (
    EventPage,
)
from bridge_mcp.server.tools.pages import MAX_TOKENS, shortened
from bridge_mcp.server.tools.schemas import (
    ApprovalShape,
    ApprovalsShape,
    AttachmentShape,
    ConversationShape,
    ConversationsShape,
    ConversationStatusShape,
    DecidedShape,
    DecisionShape,
    EventPageShape,
    EventShape,
    MessagePageShape,
    MessageShape,
    MessagesShape,
    SenderShape,
    SentShape,
    TicketShape,
    UsageShape,
)

__all__ = [
    "approval",
    "approvals",
    "conversation_status",
    "conversations",
    "decision",
    "event_page",
    "instant",
    "json_shown",
    "message_page",
    "messages",
    "parsed",
    "sent",
    "ticket",
]

LEAST_TOKENS = 2_000
"""Of a structured result that is shown, however long the text beside it is."""


SHOWN_DEPTH = 50
"""Levels of a value inside an answer. With the answer around it, it stays within the 64 that some JSON parsers read."""


def instant(seconds: float | None) -> str | None:
    """Epoch seconds as text; None for 0, which the bridge uses for never and unknown."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parsed(text: str) -> JSON:
    """What a JSON text says; nothing as null, and as it is a text that is no JSON or deeper than some hosts read."""
    if not text:
        return None
    try:
        return read_json(text, max_depth=SHOWN_DEPTH)
    except BadJSON:
        return text


def conversation(known: Conversation) -> ConversationShape:
    return {
        "id": known.id,
        "channel": known.channel,
        "title": known.title,
        "responder": known.responder,
        "messages": known.messages,
        "last_at": instant(known.last_at),
        "last_text": known.last_text,
    }


def sender(who: Sender) -> SenderShape:
    return {"id": who.id, "name": who.name, "kind": who.kind}


def message(known: Message) -> MessageShape:
    shape: MessageShape = {
        "id": known.id,
        "conversation": known.conversation,
        "at": instant(known.at),
        "direction": known.direction,
        "author": sender(known.author),
        "text": known.text,
        "status": known.status,
    }
    if known.attachments:
        shape["attachments"] = attachments(known.attachments)
    if known.question is not None:
        question = known.question
        shape["question"] = {"choices": list(question.choices), "expires_at": instant(question.expires_at)}
    elif known.buttons:
        shape["buttons"] = [button.label for button in known.buttons]
    if known.reply_to:
        shape["reply_to"] = known.reply_to
    if known.quote:
        shape["quote"] = known.quote
    if known.forwarded_from:
        shape["forwarded_from"] = known.forwarded_from
    add_delivery(shape, known)
    return shape


def add_delivery(shape: MessageShape, known: Message) -> None:
    """Tell how a message went out, as far as that is out of the ordinary, and what is left out of its text."""
    if known.edited:
        shape["edited"] = True
    if known.silent:
        shape["silent"] = True
    if known.reason:
        shape["reason"] = known.reason
    if known.platform_ids:
        shape["platform_ids"] = list(known.platform_ids)
    if known.attempts > 1:
        shape["attempts"] = known.attempts
    shape["text"], truncated = shortened(known.text, known.id, "text")
    if truncated:
        shape["truncated"] = truncated


def approval(known: Approval) -> ApprovalShape:
    arguments, truncated = json_shown(known.arguments, known.id)
    shape: ApprovalShape = {
        "id": known.id,
        "conversation": known.conversation,
        "call": known.call,
        "server": known.server,
        "tool": known.tool,
        "arguments": arguments,
        "digest": known.digest,
        "batch": known.batch,
        "reason": known.reason,
        "requested_by": known.requested_by,
        "asked_at": instant(known.asked_at),
        "expires_at": instant(known.expires_at),
        "status": known.status,
        "decided_by": known.decided_by,
        "decided_at": instant(known.decided_at),
        "decided_via": known.decided_via,
        "edited": json_shown(known.edited, known.id)[0],
        "note": known.note,
        "quorum": known.quorum,
        "votes": list(known.votes),
        "places": list(known.places),
    }
    if truncated:
        shape["truncated"] = truncated
    return shape


def event(known: Event) -> EventShape:
    body = {name: told(name, value) for name, value in known.body.items()}
    text, of = body.get("text"), body.get("message")
    if isinstance(text, str) and isinstance(of, str):
        body["text"], truncated = shortened(text, of, "text")
        if truncated:
            body["truncated"] = truncated
    shape: EventShape = {"cursor": known.cursor, "type": known.type, "at": instant(known.at), "body": body}
    if known.conversation:
        shape["conversation"] = known.conversation
    return shape


def told(name: str, value: JSON) -> JSON:
    """One field of an event's body, by the rules of this module."""
    if name.endswith("_at") and isinstance(value, int | float):
        return instant(value)
    return json_shown(value, "")[0] if name in ("arguments", "edited") and isinstance(value, str) else value


def json_shown(text: str, of: str, tokens: int = MAX_TOKENS) -> tuple[JSON, str]:
    """JSON that others wrote, as what it says or, where it is too long for an answer, as the beginning of its text.

    The second value says how to get at the rest; "" where this is all of it.
    """
    shown, truncated = shortened(text, of, "json", tokens)
    return (f"{shown}…" if truncated else parsed(text)), truncated


def conversations(page: ConversationPage) -> ConversationsShape:
    return {"conversations": [conversation(each) for each in page.conversations], "cursor": page.cursor}


def messages(found: Iterable[Message]) -> MessagesShape:
    return {"messages": [message(each) for each in found]}


def message_page(page: MessagePage) -> MessagePageShape:
    return {
        "conversation": page.conversation,
        "messages": [message(each) for each in page.messages],
        "before": page.before,
    }


def event_page(page: EventPage) -> EventPageShape:
    return {
        "events": [event(each) for each in page.events],
        "cursor": page.cursor,
        "gap": page.gap,
        "first_available": page.first_available,
    }


def approvals(page: ApprovalPage) -> ApprovalsShape:
    return {"approvals": [approval(each) for each in page.approvals], "count": page.count, "cursor": page.cursor}


def decision(made: Sequence[Decision]) -> DecisionShape:
    """The first of these, and behind it the others that were decided together with it."""
    first, *others = [decided(each) for each in made]
    shape: DecisionShape = {**first}
    if others:
        shape["also"] = others
    return shape


def decided(made: Decision) -> DecidedShape:
    shape: DecidedShape = {"approval": approval(made.approval), "grant": made.grant}
    if made.error:
        shape["error"] = made.error
    if made.waits:
        shape["waits"] = made.waits
    return shape


def sent(answer: Sent) -> SentShape:
    shape: SentShape = {
        "message": answer.message,
        "status": answer.status,
        "reason": answer.reason,
        "parts": list(answer.parts),
        "repeated": answer.repeated,
    }
    if answer.warning:
        shape["warning"] = answer.warning
    return shape


def ticket(known: Ticket) -> TicketShape:
    of = known.message or known.id
    text, text_truncated = shortened(known.text, of, "text")
    left = max(LEAST_TOKENS, MAX_TOKENS - tokens_of(text))
    structured, json_truncated = json_shown(known.structured, known.id, left)
    shape: TicketShape = {
        "id": known.id,
        "kind": known.kind,
        "conversation": known.conversation,
        "state": known.state,
        "outcome": known.outcome,
        "text": text,
        "structured": structured,
        "message": known.message,
        "approvals": list(known.approvals),
        "attachments": attachments(known.attachments),
        "truncated": reading_on(known) if known.truncated else text_truncated or json_truncated,
    }
    if known.warning:
        shape["warning"] = known.warning
    return shape


def attachments(files: Iterable[Attachment]) -> list[AttachmentShape]:
    return [{"kind": file.kind, "mime": file.mime, "name": file.name, "size": file.size} for file in files]


def reading_on(known: Ticket) -> str:
    """Where a result is whole that was too long for its ticket."""
    last = len(known.attachments) - 1
    if last >= 0 and known.attachments[last].name in (WHOLE_TEXT, WHOLE_JSON):
        return f"It is whole as a file: fetch_attachment with message={known.id}, index={last}, then on by offset."
    return "What is left out was not kept."


def conversation_status(known: ConversationStatus) -> ConversationStatusShape:
    return {
        "conversation": conversation(known.conversation),
        "responder": known.responder,
        "step": known.step,
        "waiting": [approval(each) for each in known.waiting],
        "usage": usage(known.usage),
        "today": usage(known.today),
        "unread": known.unread,
    }


def usage(taken: Spent) -> UsageShape:
    """`cost_usd` is null as soon as one call's price is unknown; `usd` is that of the others."""
    return {
        "calls": taken.calls,
        "input_tokens": taken.input_tokens,
        "output_tokens": taken.output_tokens,
        "cached_tokens": taken.cached_tokens,
        "cost_usd": taken.cost_usd,
        "usd": taken.usd,
        "unpriced_calls": taken.unpriced,
        "latency_s": taken.latency_s,
    }
