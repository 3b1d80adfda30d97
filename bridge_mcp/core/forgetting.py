"""Forgetting: how the content of entries goes while their log stands.

Design
------
*What is kept.* A forgotten entry keeps its place: seq, time, kind, and the few fields by which a log is followed (which
call, which message, which outcome, how far a reply had read). Everything that anybody wrote, is called or was given
goes: texts, arguments, results, reasons, names, ids of people and of messages on the platform, files, digests, keys.
So `decide`, transcripts, projections, `rebuild` and `verify` read a forgotten log as any other: a message says
`(forgotten)`, a call has no arguments. The rule is one-sided: a text field that `KEPT` does not name is emptied.

*Why the chain stands.* The link of an entry covers a digest of a salt and its text (`core/hash_chain.py`). Forgetting
drops text and salt and keeps the digest, so every link can still be computed, and nobody can find the text by trying
texts. An entry of before the salt is covered by its link directly: that link is kept, is taken as given, and the links
after it still depend on it; whoever guesses the whole text of such an entry can see that they guessed right.

*Who says so.* A `Forgot` entry names the seqs, who asked for it, and why, and has a digest of what is left of all
forgotten entries by then: whoever changes one of these later breaks the chain there. It stands in the chain as any
entry, and comes in the very transaction that empties the others. An entry that is empty without one is a finding of
`verify`.

*What comes late.* A tool that was running ends after its call was forgotten: the store empties such an outcome as it
comes (`subject_of` says which entry it speaks of). A running turn is stopped and cleared first, so a late reply is
dropped. What a model's provider or a platform was sent is theirs.

*Caches.* Whoever holds a log in memory reads on, meets the `Forgot`, and begins anew; an intent that was made from the
old text is refused, because the log has grown.

*Rebuild* computes rows from entries as they are now: forgotten rows stay forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from functools import cache
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.core.entries import (
    Asked,
    Attachment,
    Cleared,
    Collected,
    Configured,
    Delivered,
    Edited,
    Entry,
    Failed,
    Finished,
    Forgot,
    Heard,
    Judged,
    Lapsed,
    Log,
    Logged,
    Posted,
    Reacted,
    Reminded,
    Replied,
    Reviewed,
    Revised,
    Scheduled,
    Started,
    Stopped,
    Summarised,
    TopicAsked,
    Transcribed,
    Voted,
    Withdrawn,
    call_origin,
)

__all__ = [
    "FORGOTTEN",
    "files_of",
    "is_covered",
    "redact_entry",
    "seq_spans",
    "seqs_of_person",
    "subject_of",
    "without_quote",
]

FORGOTTEN = "(forgotten)"
"""What stands in the place of a message's text, and of a call's result."""

KEPT: Mapping[str, frozenset[str]] = {
    "Call": frozenset({"id", "tool"}),
    "Question": frozenset({"call"}),
    "Started": frozenset({"call", "tool", "cleared_by"}),
    "Asked": frozenset({"call", "server", "tool"}),
    "Finished": frozenset({"call", "tool"}),
    "Replied": frozenset({"model", "finish"}),
    "Summarised": frozenset({"model"}),
    "Reviewed": frozenset({"call", "model"}),
    "Transcribed": frozenset({"model"}),
    "Posted": frozenset({"spoken_by"}),
    "Scheduled": frozenset({"conversation", "call"}),
    **{name: frozenset({"call"}) for name in ("Judged", "Voted", "Reminded", "Collected")},
}
"""By type: the text fields that a log is followed by."""

INSTEAD = {"arguments": "{}", "content": FORGOTTEN, "text": FORGOTTEN}
"""What stands in fields that may not be empty where they were not."""

UNIQUE = frozenset((name, "key") for name in ("Heard", "Edited", "Posted", "Revised", "Reacted", "TopicAsked"))
"""Fields that keys are made of: each gets a word of its own."""


def redact_entry(entry: Entry, seq: int) -> Entry:
    """The entry at `seq` without its content."""
    if isinstance(entry, Forgot):
        return entry
    empty = cast("Entry", empty_content(entry, f"forgotten.{seq}"))
    # Each vote of a call has its author in its key.
    return replace(empty, by=f"forgotten.{seq}") if isinstance(empty, Voted) else empty


def empty_content(value: Struct, unique: str) -> Struct:
    """A value without its content, and all values in it."""
    name = type(value).__name__
    changes: dict[str, object] = {}
    for field, hint in hints(type(value)).items():
        current = getattr(value, field)
        if isinstance(current, str) and not is_word(hint) and field not in KEPT.get(name, ()):
            changes[field] = unique if (name, field) in UNIQUE else INSTEAD.get(field, "") if current else ""
        elif isinstance(current, Struct):
            changes[field] = empty_content(current, unique)
        elif isinstance(current, tuple) and current:
            items = cast("tuple[object, ...]", current)
            calls = [item for item in items if isinstance(item, Struct) and type(item).__name__ == "Call"]
            changes[field] = tuple([empty_content(item, unique) for item in calls])
    return replace(value, **cast("dict[str, Any]", changes))


@cache
def hints(cls: type[Struct]) -> dict[str, Any]:
    """The fields of a type of values, with their types."""
    annotations = get_type_hints(cls)
    return {name: annotations[name] for name in cls.__struct_fields__}


def is_word(hint: Any) -> bool:
    """Whether a field holds one of a few words of ours."""
    return get_origin(hint) is Literal or any(get_origin(argument) is Literal for argument in get_args(hint))


def without_quote(entry: Heard) -> Heard:
    """A message of somebody else without what it quotes or forwards of whoever is forgotten."""
    return replace(entry, quote="", forwarded_from="")


def subject_of(entry: Entry) -> int | None:
    """The seq of the entry that this one speaks of, and with which its content goes, if it comes later."""
    match entry:
        case Finished(call=call) | Reviewed(call=call) | Judged(call=call) | Voted(call=call):
            return call_origin(call)
        case Asked(call=call) | Started(effect="tool", call=call):
            return call_origin(call)
        case Transcribed(message=message):
            return message
        case Revised(message=message) | Edited(message=message) | Delivered(message=message):
            return message
        case Failed(effect="deliver", ref=ref):
            return ref
        case _:
            return None


def files_of(entry: Entry) -> tuple[Attachment, ...]:
    """The files that an entry brings."""
    match entry:
        case Heard(attachments=files) | Finished(attachments=files) | Posted(files=files):
            return files
        case Scheduled(posts=Posted(files=files)):
            return files
        case _:
            return ()


def seq_spans(seqs: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """These seqs as spans, each from its first to its last."""
    spans: list[tuple[int, int]] = []
    for seq in sorted(seqs):
        if spans and seq == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], seq)
        else:
            spans.append((seq, seq))
    return tuple(spans)


def is_covered(seq: int, spans: Iterable[tuple[int, int]]) -> bool:
    """Whether one of the spans holds this seq."""
    return any(first <= seq <= last for first, last in spans)


def seqs_of_person(log: Log, sender: str, principal: str) -> tuple[Set[int], Set[int]]:
    """What of a chat with several people goes with one of them: the seqs that go, and those that lose their quotes.

    That is what they wrote and did, the assistant's turns that read it, with all calls, and later summaries. Others'
    messages stay. What somebody else, or a later turn, says in words of their own is theirs.

    Args:
        log: the whole log of the chat.
        sender: the person's id on the platform.
        principal: as whom they act, `channel:id`.
    """
    theirs = {logged.seq for logged in log if is_theirs(logged.entry, sender, principal)}
    messages = {logged.seq for logged in log if logged.seq in theirs and isinstance(logged.entry, Heard)}
    turns = {logged.seq for logged in log if is_turn_of(logged, messages)}
    gone = theirs | turns
    for logged in log:
        subject = subject_of(logged.entry)
        is_later_summary = isinstance(logged.entry, Summarised) and messages and logged.seq > min(messages)
        if subject in gone or is_of_turn(logged, gone) or is_later_summary:
            gone.add(logged.seq)
    quoting = {logged.seq for logged in log if logged.seq not in gone and quotes(logged.entry)}
    return gone, quoting if messages else frozenset()


def quotes(entry: Entry) -> bool:
    """Whether a message brings words of somebody else, who cannot be told."""
    return isinstance(entry, Heard) and bool(entry.quote or entry.forwarded_from)


def is_theirs(entry: Entry, sender: str, principal: str) -> bool:
    """Whether an entry is what a person wrote or did."""
    match entry:
        case Heard():
            return (entry.sender.id == sender and entry.sender.kind == "person") or principal in entry.asked_by
        case Scheduled(asked_by=asked_by):
            return principal in asked_by
        case Judged(by=by):
            return principal in by.split(", ")  # a quorum's verdict names all who voted
        case Voted(by=by) | Stopped(by=by) | Cleared(by=by) | Configured(by=by) | Withdrawn(by=by):
            return by == principal
        case Lapsed(by=by) | Collected(by=by):
            return by == principal
        case Posted(by=by) | Revised(by=by) | Reacted(by=by) | TopicAsked(by=by):
            return by.id == sender
        case _:
            return False


def is_turn_of(logged: Logged, messages: Set[int]) -> bool:
    """Whether a reply, or the intent of one, has read one of these messages as what it answers."""
    match logged.entry:
        case Started(effect="model" | "summary", turn=turn):
            return any(turn <= message < logged.seq for message in messages)
        case Replied(turn=turn, upto=upto):
            return any(turn <= message < upto for message in messages)
        case _:
            return False


def is_of_turn(logged: Logged, gone: Set[int]) -> bool:
    """Whether an entry belongs to a turn that goes: a stop of it, a question of its call, a message that it sent."""
    match logged.entry:
        case Posted(question=question) if question is not None and question.call:
            return call_origin(question.call) in gone
        case Failed(effect="model" | "summary", ref=ref):
            return ref in gone
        case Reminded(call=call) | Collected(call=call):
            return call_origin(call) in gone
        case Stopped(upto=upto):
            return upto - 1 in gone or logged.seq - 1 in gone
        case _:
            return False
