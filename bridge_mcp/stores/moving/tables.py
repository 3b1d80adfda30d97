"""What a store consists of: the tables that are copied as they are, by their keys, and those that are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from msgspec import Struct

__all__ = ["COMPUTED", "LEFT_OUT", "TABLES", "Key", "Reached", "Row"]


class Reached(Struct, frozen=True):
    """How far the move of a table is."""

    after: list[Any] | None = None
    """The key of the last row that was moved."""
    done: int = 0


Row: TypeAlias = tuple[Any, ...]
Key: TypeAlias = tuple[str, ...]

TABLES: Mapping[str, Key] = {
    "accepted_tools": ("tool",),
    "approvals": ("number",),
    "buttons": ("token",),
    "channel_offsets": ("channel",),
    "claims": ("conversation",),
    "clients": ("id",),
    "consumers": ("name",),
    "conversations": ("id",),
    "engine_status": ("name",),
    "event_callbacks": ("client", "url"),
    "event_subscriptions": ("id",),
    "events": ("cursor",),
    "face_sessions": ("id",),
    "face_subscriptions": ("session", "uri"),
    "first_messages": ("number",),
    "forgetting": ("number",),
    "grants": ("id",),
    "held_back": ("number",),
    "log": ("conversation", "seq"),
    "messages": ("id",),
    "moved_chats": ("channel", "first_id"),
    "pairing_requests": ("code",),
    "pairings": ("channel", "subject"),
    "platform_ids": ("conversation", "id"),
    "secrets": ("name",),
    "spending": ("scope", "day", "model"),
    "tool_pins": ("subject",),
    "topic_titles": ("number",),
    "undelivered": ("number",),
}
"""Every table that is copied, with the columns of its key: in their order it is read, and taken up again."""

LEFT_OUT: Mapping[str, str] = {
    "callers": "who asks for calls, and no process does",
    "bridge_mcp_schema": "each database has its own",
    "face_notes": "they hold for seconds",
    "feed": "its head is set once the events are there",
    "indexed": "how far the index of words is, which is made anew",
    "kept_files": "files are moved by themselves: SQLite's stand in a folder",
    "leases": "who works, and no process does",
    "moving": "how far a move is",
    "words": "the index of words is made anew",
    "workers": "who works, and no process does",
}
"""The other tables, and why they are not copied. Procrastinate's hold jobs, which the conversations' triggers make."""

COMPUTED: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], Any]] = {
    ("conversations", "folded"): lambda row: f"{row['name']}\n{row['title']}".casefold(),
}
"""Columns that only one of the two has, by what another row says."""
