"""Rows of the tables as values of the core. What an entry says is read from the log; a row adds how it stands."""

from __future__ import annotations

import json

from msgspec.structs import replace

from bridge_mcp.core.address import Address
from bridge_mcp.core.codec import decode
from bridge_mcp.core.entries import Judged, Logged
from bridge_mcp.core.errors import Unreadable
from bridge_mcp.core.events import Event, event_of
from bridge_mcp.core.grants import Grant
from bridge_mcp.core.projections import Approval, Conversation, Delivery, Message, approval_of, message_of, text_after
from bridge_mcp.core.tools import JSON
from bridge_mcp.core.unreadable import UnreadableEntry, unreadable_entry, unreadable_event, unreadable_message
from bridge_mcp.stores.sql.session import Row

__all__ = [
    "approval",
    "conversation",
    "dump",
    "event",
    "grant",
    "is_within",
    "logged",
    "logged_or_unreadable",
    "message",
]

SEE = "See: bridge-mcp log {}"

dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def logged(name: str, seq: int, at: float, body: str) -> Logged:
    """An entry in its place.

    Raises:
        NewerSchema: it was written by a newer bridge_mcp.
        Unreadable: it cannot be read; the message says which.
    """
    try:
        return Logged(seq, at, decode(body))
    except Unreadable as exc:
        raise type(exc)(f"{name}, entry {seq}: {exc}") from exc


def logged_or_unreadable(name: str, seq: int, at: float, body: str) -> Logged | UnreadableEntry:
    """An entry in its place, or what can be told of it."""
    try:
        return logged(name, seq, at, body)
    except Unreadable as exc:
        return unreadable_entry(seq, at, body, exc)


def message(row: Row) -> Message:
    """From a row of the view `message_details`.

    One that cannot be read says so: a list does not fail for a single row.
    """
    name, seq, at, body, status, reason, platform_ids, attempts, parts, asks, later = row[:11]
    delivery: Delivery = {"status": status}
    if status != "received":
        delivery["reason"] = reason
        delivery["platform_ids"] = () if platform_ids == "[]" else tuple(json.loads(platform_ids))
        delivery["attempts"] = attempts
        delivery["parts"] = parts
        delivery["asks"] = bool(asks)
    try:
        read_message = message_of(name, logged(name, seq, at, body), **delivery)
        if read_message is None:
            raise Unreadable(f"{name}, entry {seq} is listed as a message and is none.", fix=SEE.format(name))
        if later is not None:
            read_message = replace(read_message, text=text_after(logged(name, seq, at, later).entry) or "", edited=True)
    except Unreadable as exc:
        return replace(unreadable_message(name, seq, at, status, exc), **delivery)
    return read_message


def approval(row: Row) -> Approval:
    """From a row of the view `approval_details`, of which `judged` and what belongs to it may be NULL.

    Raises:
        Unreadable: an entry of it cannot be read; the message says which.
    """
    name, asked, at, body, judged, judged_at, judged_body = row[:7]
    read_approval = approval_of(name, logged(name, asked, at, body))
    if read_approval is None:
        raise Unreadable(f"{name}, entry {asked} is listed as an approval and is none.", fix=SEE.format(name))
    if judged is None:
        return read_approval
    verdict = logged(name, judged, judged_at, judged_body).entry
    if not isinstance(verdict, Judged):
        raise Unreadable(f"{name}, entry {judged} is listed as a verdict and is none.", fix=SEE.format(name))
    return replace(
        read_approval,
        status=verdict.verdict,
        decided_by=verdict.by,
        decided_at=judged_at,
        note=verdict.note,
        decided_via=verdict.via,
        edited=verdict.arguments or "",
    )


def conversation(row: Row) -> Conversation:
    """From a row of the view `conversation_details`."""
    name, channel, title, responder, messages, last_at, last_text, head, question = row[:9]
    return Conversation(
        name,
        channel,
        title,
        responder=responder,
        messages=messages,
        last_at=last_at,
        last_text=last_text,
        head=head,
        question=question,
    )


def event(row: Row) -> Event | None:
    """From a row of the view `event_details`; None for an entry that is silent now."""
    cursor, kind, name, seq, at, body = row
    if seq is None:
        try:
            fields: dict[str, JSON] = dict(json.loads(body))
        except (ValueError, TypeError, RecursionError) as exc:
            fields = {"unreadable": str(exc)}
        return Event(kind, name, at, body=fields, cursor=cursor)
    if body is None:  # the log does not hold what the feed tells of
        reason = Unreadable(f"{name}, entry {seq} is not in the log.", fix=SEE.format(name))
        return replace(unreadable_event(kind, name, seq, 0.0, reason), cursor=cursor)
    try:
        read_event = event_of(name, logged(name, seq, at, body), delivered=kind == "message.sent")
    except Unreadable as exc:
        return replace(unreadable_event(kind, name, seq, at, exc), cursor=cursor)
    return None if read_event is None else Event(read_event.type, name, at, body=read_event.body, cursor=cursor)


def grant(row: Row) -> Grant:
    """From the columns (id, tool, conversation, arguments, expires_at, by, created_at)."""
    number, tool, name, arguments, expires_at, by, created_at = row
    patterns = tuple([(argument, pattern) for argument, pattern in json.loads(arguments)])
    return Grant(number, tool, name, arguments=patterns, expires_at=expires_at, by=by, created_at=created_at)


def is_within(conversation: str, within: frozenset[str]) -> bool:
    """Whether a conversation lies in one of these channels or chats; with none named, all do."""
    return not within or not within.isdisjoint(Address.of(conversation).places)
