"""The tool calls of a log as records: who requested what, who decided and how, what ran, what came back."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.core.entries import (
    Asked,
    Finished,
    Judged,
    Replied,
    Requested,
    Started,
    Voted,
    approval_id,
)
from bridge_mcp.core.unreadable import ReadLog, UnreadableEntry

__all__ = ["CallRecord", "calls_of"]


class CallRecord(Struct, frozen=True):
    """One call so far. Times are epoch seconds, 0 for what has not happened; texts are empty for it."""

    id: str
    tool: str
    arguments: str
    """Whole, as JSON text, as it was asked for."""
    seq: int
    """The seq of the entry that requested it."""
    at: float
    requested_by: str
    """A client, or `assistant`; if a verdict was needed, also for whom the assistant asked."""
    approval: str = ""
    """The id of its approval, if it needed one."""
    reason: str = ""
    """Why it needed one."""
    votes: tuple[str, ...] = ()
    verdict: str = ""
    decided_by: str = ""
    decided_via: str = ""
    decided_at: float = 0.0
    note: str = ""
    cleared_by: str = ""
    """What let it run: `policy`, `read-only`, `grant 3`, `verdict`."""
    ran_with: str = ""
    """The arguments with which it was begun, as JSON text."""
    started_at: float = 0.0
    outcome: str = ""
    result: str = ""
    finished_at: float = 0.0


TELLING = frozenset(cls.__name__ for cls in (Replied, Requested, Asked, Voted, Judged, Started, Finished)) | {""}
"""Kinds of entries about calls; "" is one whose kind cannot be read."""


def calls_of(conversation: str, log: ReadLog, upto: int | None = None) -> tuple[CallRecord, ...]:
    """The calls that were requested in this part of a log before seq `upto`, with all later entries about them.

    An unreadable entry that may be about calls becomes a record with the outcome `unreadable`.
    """
    records: dict[str, CallRecord] = {}
    for logged in log:
        if isinstance(logged, UnreadableEntry):
            if logged.kind in TELLING and (upto is None or logged.seq < upto):
                records[f"#{logged.seq}"] = unreadable_record(logged)
            continue
        match logged.entry:
            case Replied(calls=calls) | Requested(calls=calls) as request if upto is None or logged.seq < upto:
                requested_by = request.by if isinstance(request, Requested) else "assistant"
                for c in calls:
                    records[c.id] = CallRecord(
                        c.id, c.tool, c.arguments, seq=logged.seq, at=logged.at, requested_by=requested_by
                    )
            case Asked() | Voted() | Judged() | Started() | Finished() as entry if entry.call in records:
                records[entry.call] = record_after(conversation, records[entry.call], entry, logged.at)
            case _:
                pass
    return tuple(records.values())


def unreadable_record(entry: UnreadableEntry) -> CallRecord:
    note = f"(This entry cannot be read: {entry.why})"
    return CallRecord(
        f"#{entry.seq}", "", "", seq=entry.seq, at=entry.at, requested_by="", outcome="unreadable", result=note
    )


def record_after(
    conversation: str, record: CallRecord, entry: Asked | Voted | Judged | Started | Finished, at: float
) -> CallRecord:
    """The record with one more entry. Of verdicts the first one counts."""
    match entry:
        case Asked():
            approval = approval_id(conversation, entry.call)
            return replace(record, approval=approval, reason=entry.reason, requested_by=entry.requested_by)
        case Voted():
            return replace(record, votes=(*record.votes, entry.by))
        case Judged() if not record.verdict:
            return replace(
                record,
                verdict=entry.verdict,
                decided_by=entry.by,
                decided_via=entry.via,
                decided_at=at,
                note=entry.note,
            )
        case Started(effect="tool"):
            return replace(record, cleared_by=entry.cleared_by, ran_with=entry.arguments, started_at=at)
        case Finished():
            return replace(record, outcome=entry.outcome, result=entry.content, finished_at=at)
        case _:
            return record
