"""What every entry of a call's life tells beside its own matter: which call it is, its digest, and who asked for it.

An entry is looked at by itself (the feed is made of it), so each carries what a supervisor or an outside checker needs
to follow one action from the request to the outcome.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from bridge_mcp.core.entries import Asked, Entry, Finished, Judged, Log, Reminded, Started

__all__ = ["outcome_of", "with_evidence"]


def outcome_of(started: Started, finished: Finished) -> Finished:
    """The outcome of a call that was begun."""
    return replace(finished, tool=started.tool, digest=started.digest, requested_by=started.requested_by)


def with_evidence(log: Log, entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """These entries, which are to follow a log, with what it tells of their calls."""
    known: dict[str, Started | Asked] = {}
    for logged in log:
        entry = logged.entry
        if isinstance(entry, Asked) or (isinstance(entry, Started) and entry.effect == "tool"):
            known[entry.call] = entry
    return tuple(told_of(entry, known) for entry in entries)


def told_of(entry: Entry, known: dict[str, Started | Asked]) -> Entry:
    """One entry with what is known of its call."""
    match entry:
        case Finished() if not entry.digest and (of := known.get(entry.call)):
            return replace(entry, tool=of.tool, digest=of.digest, requested_by=of.requested_by)
        case Judged() | Reminded() if not entry.digest and (of := known.get(entry.call)):
            return replace(entry, digest=of.digest)
        case _:
            return entry
