"""Completes the entries of a call: each tells which call it is of, its digest, and who asked for it.

An entry is looked at by itself (the feed is made of it), so each carries what a supervisor or an outside checker needs
to follow one action from the request to the outcome.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.core.entries import Asked, Entry, Finished, Judged, Log, Reminded, Replied, Requested, Started
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.external_calls import external_tool
from bridge_mcp.core.state import open_calls
from bridge_mcp.core.tools import ToolSpec, call_digest, parse_arguments

__all__ = ["closing_entries", "outcome_of", "with_evidence"]


class CallEvidence(Struct, frozen=True):
    """What a log tells of one call."""

    tool: str
    digest: str = ""
    requested_by: str = ""


def outcome_of(started: Started, finished: Finished) -> Finished:
    """The outcome of a call that was begun."""
    return replace(finished, tool=started.tool, digest=started.digest, requested_by=started.requested_by)


def closing_entries(log: Log, *outcomes: Finished) -> tuple[Entry, ...]:
    """These outcomes, and a cancelling verdict for each of their calls that still waits for one."""
    waiting = {call.id for call, asked in open_calls(log) if asked is not None}
    entries: list[Entry] = []
    for outcome in outcomes:
        if outcome.call in waiting:
            entries.append(Judged(outcome.call, "cancelled", "bridge", note=outcome.content, via="rule"))
        entries.append(outcome)
    return with_evidence(log, entries)


def with_evidence(log: Log, entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """These entries, which are to follow a log, with what it tells of their calls.

    The digest of a nested server's call that was neither asked about nor begun is in no log: it stays empty.
    """
    by_call: dict[str, CallEvidence] = {}
    for logged in log:
        match logged.entry:
            case Requested() as request:
                by_call |= request_evidence(request)
            case Replied(calls=calls):
                by_call |= {call.id: CallEvidence(call.tool) for call in calls}
            case Asked(call=call) | Started(effect="tool", call=call) as source:
                by_call[call] = CallEvidence(source.tool, source.digest, source.requested_by)
            case _:
                pass
    return tuple(add_evidence(entry, by_call) for entry in entries)


def request_evidence(request: Requested) -> dict[str, CallEvidence]:
    """What a client's request tells of its calls."""
    if request.external is None:
        return {call.id: CallEvidence(call.tool, requested_by=request.by) for call in request.calls}
    spec = external_tool(request.external)
    return {call.id: CallEvidence(call.tool, digest_of(spec, call.arguments), request.by) for call in request.calls}


def digest_of(spec: ToolSpec, arguments: str) -> str:
    """The digest of a call; empty where its arguments cannot be read, with which it is neither asked about nor run."""
    try:
        return call_digest(spec, parse_arguments(arguments))
    except BadInput:
        return ""


def add_evidence(entry: Entry, by_call: dict[str, CallEvidence]) -> Entry:
    """One entry with what is known of its call."""
    match entry:
        case Finished() if not entry.digest and (evidence := by_call.get(entry.call)):
            return replace(entry, tool=evidence.tool, digest=evidence.digest, requested_by=evidence.requested_by)
        case Judged() | Reminded() if not entry.digest and (evidence := by_call.get(entry.call)):
            return replace(entry, digest=evidence.digest)
        case _:
            return entry
