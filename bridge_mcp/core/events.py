"""The events of the feed: which types there are, what each tells, and how they come from entries of a log.

`EVENTS` is the one list of them. Most are made of an entry, by `event_of`; the others are published as they happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

from msgspec import Struct, field

from bridge_mcp.core.entries import (
    Asked,
    Cleared,
    Configured,
    Delivered,
    Edited,
    Failed,
    Finished,
    Heard,
    Judged,
    Logged,
    Posted,
    Reacted,
    Reminded,
    Replied,
    Reviewed,
    Revised,
    Started,
    Stopped,
    Summarised,
    TopicAsked,
    Transcribed,
    Voted,
    Withdrawn,
    approval_id,
    message_id,
)
from bridge_mcp.core.policy import REVIEWER
from bridge_mcp.core.tools import JSON

__all__ = ["EVENTS", "EVENT_TYPES", "Event", "EventInfo", "EventType", "event_of"]

EventType: TypeAlias = Literal[
    "message.received",
    "message.queued",
    "message.sent",
    "message.uncertain",
    "message.failed",
    "message.transcribed",
    "message.edited",
    "message.reacted",
    "message.reaction",
    "message.withdrawn",
    "topic.asked",
    "approval.requested",
    "approval.reminded",
    "approval.reviewed",
    "approval.voted",
    "approval.decided",
    "tool.started",
    "tool.progress",
    "tool.finished",
    "turn.finished",
    "turn.stopped",
    "model.failed",
    "conversation.cleared",
    "conversation.summarised",
    "conversation.configured",
    "conversation.claimed",
    "conversation.released",
    "chat.member",
    "pairing.requested",
    "pairing.added",
    "pairing.removed",
    "grant.made",
    "grant.revoked",
    "client.added",
    "client.revoked",
]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)


class EventInfo(Struct, frozen=True):
    """What one type of event tells."""

    about: str
    carries: tuple[str, ...]
    """The names in its body; one that ends in `?` is not always there."""


EVENTS: Mapping[EventType, EventInfo] = {
    "message.received": EventInfo(
        "Somebody wrote in a chat.",
        ("message", "from", "text", "attachments", "to", "answers", "reply_to", "quote", "forwarded_from", "late"),
    ),
    "message.queued": EventInfo("A message was written down and goes out by itself.", ("message", "by", "text")),
    "message.sent": EventInfo(
        "A message went out. In a local chat it is there at once, and its text stands here.",
        ("message", "by?", "text?"),
    ),
    "message.uncertain": EventInfo("A message may have gone out: the connection broke meanwhile.", ("message",)),
    "message.failed": EventInfo("A message did not go out.", ("message", "reason")),
    "message.transcribed": EventInfo(
        "The words of a voice message are known, or why they are not.", ("message", "text", "failed")
    ),
    "message.edited": EventInfo(
        "A message has another text: its writer changed it, or the bridge did.",
        ("message", "text", "to?", "by?", "buttons?"),
    ),
    "message.reacted": EventInfo(
        "The bridge put a reaction below a message, or took it away (empty).", ("message", "emoji", "by")
    ),
    "message.reaction": EventInfo(
        "People reacted to a message (a channel with that in `updates`).",
        ("message", "key", "from", "before?", "reactions?", "counts?"),
    ),
    "message.withdrawn": EventInfo("A message was taken back before it was answered.", ("message", "by")),
    "topic.asked": EventInfo(
        "A topic is to be made in a chat, or changed; what became of it is told of its `message`.",
        ("message", "name", "icon", "closed", "new", "by"),
    ),
    "approval.requested": EventInfo(
        "A call waits for a verdict.",
        (
            *("call", "approval", "digest", "server", "tool", "arguments", "reason", "requested_by"),
            *("expires_at", "route", "quorum"),
        ),
    ),
    "approval.reminded": EventInfo(
        "People were asked again, or somebody else is asked as well.",
        ("call", "approval", "digest", "why", "number", "to"),
    ),
    "approval.reviewed": EventInfo(
        "A reviewer has looked at a call, or could not (`escalate`).",
        ("call", "approval", "digest", "says", "reason", "model", "by"),
    ),
    "approval.voted": EventInfo("One approver of several said yes.", ("call", "approval", "digest", "by", "via")),
    "approval.decided": EventInfo(
        "A verdict was given, or the time for one is over.",
        ("call", "approval", "digest", "verdict", "by", "via", "note", "edited", "remember"),
    ),
    "tool.started": EventInfo(
        "A tool call began; `cleared_by` says what let it run.",
        ("call", "approval", "digest", "tool", "requested_by", "cleared_by"),
    ),
    "tool.progress": EventInfo(
        "A tool server told how far a call is.", ("call", "approval", "digest", "tool", "progress", "total", "message")
    ),
    "tool.finished": EventInfo(
        "A tool call is over.", ("call", "approval", "digest", "tool", "requested_by", "outcome")
    ),
    "turn.finished": EventInfo("The assistant answered.", ("message", "text", "turn")),
    "turn.stopped": EventInfo("A turn ended without an answer.", ("reason", "by", "text")),
    "model.failed": EventInfo(
        "A call of a model failed; `retry_at` says when it is asked again.", ("reason", "retry_at", "effect")
    ),
    "conversation.cleared": EventInfo("The history of a conversation was cleared.", ("by",)),
    "conversation.summarised": EventInfo("The model summed up what is older than `before`.", ("before", "text")),
    "conversation.configured": EventInfo("Somebody else answers a conversation from now on.", ("by", "responder")),
    "conversation.claimed": EventInfo(
        "A client has a conversation for itself until then (epoch seconds), when that ends without an event.",
        ("by", "until"),
    ),
    "conversation.released": EventInfo("A client gave a conversation back before its time was over.", ("by",)),
    "chat.member": EventInfo(
        "Somebody came, went or got other rights (a channel with that in `updates`).",
        ("from", "user", "status", "before?"),
    ),
    "pairing.requested": EventInfo("A chat asks to be let in.", ("channel", "subject", "name", "expires_at")),
    "pairing.added": EventInfo("A chat or a person was let in.", ("channel", "subject", "role")),
    "pairing.removed": EventInfo("A chat or a person is let in no longer.", ("channel", "subject", "by")),
    "grant.made": EventInfo(
        "A standing verdict was given, or one that was there was given anew.",
        ("grant", "tool", "where", "by", "expires_at"),
    ),
    "grant.revoked": EventInfo("A standing verdict ended.", ("grant", "tool", "by", "reason?")),
    "client.added": EventInfo("A client may come over HTTP.", ("client", "scopes", "by")),
    "client.revoked": EventInfo("A client may come no longer.", ("client", "scopes", "by")),
}


class Event(Struct, frozen=True):
    """Something that happened, in the order of the whole bridge. `cursor` is set by the store."""

    type: EventType
    conversation: str
    at: float
    body: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    cursor: int = 0


def event_of(conversation: str, logged: Logged, *, delivered: bool) -> Event | None:
    """What the feed tells of this entry, if anything. Bodies are whole: a reader needs no second look."""
    content = type_and_body(conversation, logged, delivered)
    return None if content is None else Event(content[0], conversation, logged.at, body=content[1])


def type_and_body(conversation: str, logged: Logged, delivered: bool) -> tuple[EventType, dict[str, JSON]] | None:
    message = message_id(conversation, logged.seq)
    sent: EventType = "message.sent" if delivered else "message.queued"
    match logged.entry:
        case Heard() as e:
            return "message.received", {
                "message": message,
                "from": {"id": e.sender.id, "name": e.sender.name, "kind": e.sender.kind},
                "text": e.text,
                "attachments": [
                    {"kind": a.kind, "mime": a.mime, "name": a.name, "size": a.size} for a in e.attachments
                ],
                "to": e.to,
                "answers": None if e.answers is None else message_id(conversation, e.answers),
                "reply_to": e.reply_to or None,
                "quote": e.quote or None,
                "forwarded_from": e.forwarded_from or None,
                "late": e.late,
            }
        case Posted() as e:
            return sent, {"message": message, "by": e.by.name or e.by.id, "text": e.text}
        case Replied() as e if e.text and not e.calls:
            return "turn.finished", {
                "message": message,
                "text": e.text,
                "turn": message_id(conversation, e.turn),
            }
        case Replied() as e if e.text:
            return sent, {"message": message, "by": "assistant", "text": e.text}
        case Edited() as e:
            body: dict[str, JSON] = {"message": message_id(conversation, e.message), "text": e.text}
            return "message.edited", body | ({"to": e.to} if e.to != "off" else {})
        case Revised() as e:
            body = {"message": message_id(conversation, e.message), "text": e.text, "by": e.by.name or e.by.id}
            return "message.edited", {**body, "buttons": len(e.buttons)}
        case Reacted() as e:
            body = {"message": message_id(conversation, e.message), "emoji": e.emoji, "by": e.by.name or e.by.id}
            return "message.reacted", {**body}
        case Stopped() as e:
            return "turn.stopped", {"reason": e.reason, "by": e.by, "text": e.text}
        case Delivered() as e:
            became: EventType = "message.sent" if e.status == "sent" else "message.uncertain"
            return became, {"message": message_id(conversation, e.message)}
        case Failed(effect="deliver") as e:
            body = {"message": message_id(conversation, e.ref), "reason": e.reason}
            return ("message.failed", body) if e.retry_at is None else None
        case Failed() as e:
            return "model.failed", {"reason": e.reason, "retry_at": e.retry_at, "effect": e.effect}
        case entry:
            return call_event(conversation, logged.seq, entry)


def call_event(conversation: str, seq: int, entry: object) -> tuple[EventType, dict[str, JSON]] | None:
    match entry:
        case Asked() as e:
            return "approval.requested", {
                **call_fields(conversation, e),
                "server": e.server,
                "tool": e.tool,
                "arguments": e.arguments,
                "reason": e.reason,
                "requested_by": e.requested_by,
                "expires_at": e.expires_at or None,
                "route": e.route,
                "quorum": e.quorum,
            }
        case Reviewed() as e:
            body: dict[str, JSON] = {"says": e.says, "reason": e.reason, "model": e.model, "by": REVIEWER}
            return "approval.reviewed", {**call_fields(conversation, e), **body}
        case Voted() as e:
            return "approval.voted", {**call_fields(conversation, e), "by": e.by, "via": e.via}
        case Reminded() as e:
            return "approval.reminded", {**call_fields(conversation, e), "why": e.why, "number": e.number, "to": e.to}
        case Judged() as e:
            return "approval.decided", {
                **call_fields(conversation, e),
                "verdict": e.verdict,
                "by": e.by,
                "via": e.via,
                "note": e.note,
                "edited": e.arguments,
                "remember": e.remember,
            }
        case Started(effect="tool") as e:
            return "tool.started", {
                **call_fields(conversation, e),
                "tool": e.tool,
                "requested_by": e.requested_by,
                "cleared_by": e.cleared_by,
            }
        case Finished() as e:
            body = {"tool": e.tool, "requested_by": e.requested_by, "outcome": e.outcome}
            return "tool.finished", {**call_fields(conversation, e), **body}
        case entry:
            return conversation_event(conversation, seq, entry)


def conversation_event(conversation: str, seq: int, entry: object) -> tuple[EventType, dict[str, JSON]] | None:
    match entry:
        case Transcribed() as e:
            body: dict[str, JSON] = {"text": e.text, "failed": e.failed}
            return "message.transcribed", {"message": message_id(conversation, e.message), **body}
        case TopicAsked(topic=topic) as e:
            body = {"message": message_id(conversation, seq), "name": topic.name, "icon": topic.icon}
            more: dict[str, JSON] = {"closed": topic.closed, "new": topic.new, "by": e.by.name or e.by.id}
            return "topic.asked", body | more
        case Withdrawn() as e:
            return "message.withdrawn", {"message": message_id(conversation, e.message), "by": e.by}
        case Cleared() as e:
            return "conversation.cleared", {"by": e.by}
        case Summarised() as e:
            return "conversation.summarised", {"before": message_id(conversation, e.upto), "text": e.text}
        case Configured() as e:
            return "conversation.configured", {"by": e.by, "responder": e.responder}
        case _:
            return None


def call_fields(
    conversation: str, entry: Asked | Reviewed | Voted | Reminded | Judged | Started | Finished
) -> dict[str, JSON]:
    """What all events of one call have in common; the approval is the one by which it was decided, if it was."""
    return {"call": entry.call, "approval": approval_id(conversation, entry.call), "digest": entry.digest}
