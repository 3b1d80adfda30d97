"""An entry as it would read had it been written at another time: for clocks that were set, while something waits.

The log keeps times as they were. What waits for a time that stands in an entry is read through this once the clock was
set, so that no wait grows longer by it.
"""

from __future__ import annotations

from msgspec import structs

from bridge_mcp.core.entries import Asked, Entry, Failed, Logged, Posted, Question, Scheduled

__all__ = ["AHEAD_S", "none_ahead", "questions_later", "redated"]

AHEAD_S = 1.0
"""An entry that is further ahead of the clock than this was written by a clock that was ahead."""


def redated(logged: Logged, by: float) -> Logged:
    """An entry, and all that waits for times in it, this many seconds later (or earlier)."""
    return Logged(logged.seq, logged.at + by, shifted(logged.entry, by))


def none_ahead(logged: Logged, now: float) -> Logged:
    """An entry that was written by a clock which was ahead counts as written now: what it waits for begins anew."""
    return redated(logged, now - logged.at) if logged.at > now + AHEAD_S else logged


def questions_later(logged: Logged, by: float) -> Logged:
    """An entry whose question, if it asks one, stays open for so many seconds more."""
    match logged.entry:
        case Posted(question=Question() as question) as entry if question.expires_at:
            later = structs.replace(question, expires_at=question.expires_at + by)
            return Logged(logged.seq, logged.at, structs.replace(entry, question=later))
        case _:
            return logged


def shifted(entry: Entry, by: float) -> Entry:
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
        case Scheduled(at=at):
            return structs.replace(entry, at=at + by)
        case _:
            return entry
