"""What a commit tells: the events that it adds to the feed, and its notice (NOTIFY)."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

__all__ = ["CHANNEL", "Events", "payload", "told_by"]

CHANNEL = "bridge_mcp"
"""Where commits are told of."""

MAX_PAYLOAD = 7_900
"""Bytes that a notice may have (8000 in Postgres); of more, it says that anything may have changed."""


class Events:
    """The events of one commit, in their order."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, int | None, float | None, str | None]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, type: str, conversation: str, *, seq: int | None, at: float | None, body: str | None) -> None:
        """Add one: of an entry, or with a time and a body."""
        self._rows.append((type, conversation, seq, at, body))

    def columns(self) -> dict[str, object]:
        """What `insert_events` takes; there is at least one."""
        types, conversations, seqs, ats, bodies = (list(column) for column in zip(*self._rows, strict=True))
        told: dict[str, object] = {
            "types": types,
            "conversations": conversations,
            "seqs": seqs,
            "ats": ats,
            "bodies": bodies,
        }
        told["count"] = len(self._rows)
        return told


def payload(changed: dict[str, int] | None) -> str:
    """What a notice says: the conversations with their next seqs, as JSON; "" for anything."""
    if changed is None:
        return ""
    told = json.dumps(changed, separators=(",", ":"), ensure_ascii=False)
    return told if len(told.encode()) <= MAX_PAYLOAD and "\0" not in told else ""


def told_by(payload: bytes) -> tuple[int, Mapping[str, int] | None]:
    """The transaction that a notice tells of, -1 for none, and what it has changed; None for anything."""
    number, _, changed = payload.partition(b" ")
    try:
        told = msgspec.json.decode(changed, type=dict[str, int]) if changed else None
        return int(number), told
    except ValueError:  # anybody who has the database may send notices
        return -1, None
