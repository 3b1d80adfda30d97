"""Placeholders for entries that this version cannot read: a newer bridge_mcp wrote them, or they are damaged.

Lists and the feed skip no row silently, and do not fail because of one: the row says why it is empty.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias, cast

from msgspec import Struct

from bridge_mcp.core.entries import Logged, Verdict, message_id
from bridge_mcp.core.errors import NewerSchema, Unreadable
from bridge_mcp.core.events import Event, EventType
from bridge_mcp.core.policy import AGENTS
from bridge_mcp.core.projections import BRIDGE, Approval, Message, MessageStatus

__all__ = [
    "ReadLog",
    "UnreadableEntry",
    "kind_of",
    "unreadable_approval",
    "unreadable_entry",
    "unreadable_event",
    "unreadable_message",
]

KIND = re.compile(r'\{(?:"v":\d{1,9},)?[^{}]{0,200}?"kind":"([A-Za-z]{1,40})"')
"""What kind of entry a text says it is, if only that can be read of it."""


class UnreadableEntry(Struct, frozen=True):
    """The place of an entry that cannot be read."""

    seq: int
    at: float
    kind: str
    """What it says it is, such as `Replied`; empty where not even that can be read."""
    why: str
    newer: bool = False
    """A newer bridge_mcp wrote it, which can read it."""
    entry: None = None


ReadLog: TypeAlias = Sequence[Logged | UnreadableEntry]
"""Entries of one conversation in order of seq, without holes; those that cannot be read are in their places."""


def unreadable_entry(seq: int, at: float, text: str, reason: Unreadable) -> UnreadableEntry:
    """What can be told of an entry with this text."""
    return UnreadableEntry(seq, at, kind_of(text), why=str(reason), newer=isinstance(reason, NewerSchema))


def kind_of(text: str) -> str:
    """The kind of entry that a text says it is; "" where not even that can be read."""
    kind = KIND.match(text)
    return kind[1] if kind else ""


def unreadable_message(conversation: str, seq: int, at: float, status: str, reason: Unreadable) -> Message:
    """The message that an entry which cannot be read is known to be."""
    known_status = cast("MessageStatus", status)
    return Message(
        conversation,
        seq,
        at,
        direction="in" if known_status == "received" else "out",
        author=BRIDGE,
        text=f"(This message cannot be read: {reason})",
        status=known_status,
        unreadable=str(reason),
        newer=isinstance(reason, NewerSchema),
    )


def unreadable_approval(
    conversation: str, approval: str, tool: str, at: float, status: str, reason: Unreadable
) -> Approval:
    """The approval that an entry which cannot be read is known to open. Nobody is asked for it by a message."""
    return Approval(
        id=approval,
        conversation=conversation,
        call="",
        server="",
        tool=tool,
        arguments="",
        digest="",
        reason=f"(This approval cannot be read: {reason})",
        requested_by="",
        asked_at=at,
        expires_at=0.0,
        status=cast("Literal['waiting'] | Verdict", status),
        route=AGENTS,
    )


def unreadable_event(kind: str, conversation: str, seq: int, at: float, reason: Unreadable) -> Event:
    """What the feed tells of an entry that cannot be read."""
    body = {"message": message_id(conversation, seq), "unreadable": str(reason)}
    return Event(cast("EventType", kind), conversation, at, body={**body})
