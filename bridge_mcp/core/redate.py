"""Moves the times of entries after the clock was set, so that no wait grows longer by it.

The log itself keeps its times. Once the clock was set, waits for a time in an entry are computed by these functions.
"""

from __future__ import annotations

from msgspec import structs

from bridge_mcp.core.entries import Asked, Entry, Failed, Logged, Posted, Question, Scheduled

__all__ = ["AHEAD_S", "none_ahead", "questions_later", "shift_logged"]

AHEAD_S = 1.0
"""An entry further in the future than this was written by a clock that was ahead."""


def shift_logged(logged: Logged, by: float) -> Logged:
    """An entry with its own time and the times in it moved by `by` seconds."""
    return Logged(logged.seq, logged.at + by, shift_entry(logged.entry, by))


def none_ahead(logged: Logged, now: float) -> Logged:
    """An entry; one from the future counts as written now, so that its waits begin anew."""
    return shift_logged(logged, now - logged.at) if logged.at > now + AHEAD_S else logged


def questions_later(logged: Logged, by: float) -> Logged:
    """An entry, whose question stays open for so many seconds more, if it asks one."""
    match logged.entry:
        case Posted(question=Question() as question) as entry if question.expires_at:
            later = structs.replace(question, expires_at=question.expires_at + by)
            return Logged(logged.seq, logged.at, structs.replace(entry, question=later))
        case _:
            return logged


def shift_entry(entry: Entry, by: float) -> Entry:
    """The entry with its own times moved; 0 stands for never, and stays."""
    match entry:
        case Failed(retry_at=float() as at):
            return structs.replace(entry, retry_at=at + by)
        case Asked(expires_at=expires_at, escalate_at=escalate_at) if expires_at or escalate_at:
            return structs.replace(
                entry,
                expires_at=expires_at and max(1.0, expires_at + by),
                escalate_at=escalate_at and max(1.0, escalate_at + by),
            )
        case Posted(question=Question(expires_at=at) as question) if question and at:
            return structs.replace(entry, question=structs.replace(question, expires_at=max(1.0, at + by)))
        case Scheduled(at=at, posts=None):
            return structs.replace(entry, at=at + by)
        case _:
            return entry
