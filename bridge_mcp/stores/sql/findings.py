"""Checks a store against its own logs: everything beside a log can be computed from it, so it is, and compared.

The expected rows are folded here from the log in memory, on purpose by other means than `appends` uses.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias, TypeVar

from bridge_mcp.core.entries import (
    Logged,
    key,
)
from bridge_mcp.core.errors import StoreError
from bridge_mcp.core.forgetting import is_covered
from bridge_mcp.core.spending import Spent, scopes
from bridge_mcp.stores.sql.expected import Expected, Outcome, fold, sealed_by
from bridge_mcp.stores.sql.feed import cursor_span
from bridge_mcp.stores.sql.rows import logged
from bridge_mcp.stores.sql.session import Session

__all__ = ["OPEN_STATUSES", "Progress", "findings", "silent"]

K = TypeVar("K")

OPEN_STATUSES = ("queued", "sending", "sent")
"""How a message may stand that no later entry tells of: `sent` where a commit is a delivery."""


Progress: TypeAlias = Callable[[int, int], object]
"""Hears how much is looked at, and of how much: conversations, or the entries of one."""

EVERY = 1000
"""Entries between two words on one conversation's progress."""


def silent(done: int, total: int) -> None:
    """Tells nobody."""


def findings(session: Session, conversation: str = "", progress: Progress = silent) -> tuple[str, ...]:
    """What is wrong with one conversation (default: with all of them), a line each; nothing if nothing is.

    Reads every entry and every event, so it takes long with much: run it in a thread.

    Raises:
        StoreError: the store cannot be read.
    """
    with session.snapshot():
        names = [conversation] if conversation else [name for (name,) in session.rows("conversation_names")]
        events_told: dict[str, list[tuple[int, str]]] = {name: [] for name in names}
        lines: list[str] = []
        for name, seq, kind in session.rows("event_rows", name=conversation):
            if name in events_told:
                events_told[name].append((seq, kind))
            else:
                lines.append(f"{name}: the feed tells of it, and there is no such conversation")
        pruned = cursor_span(session)[1] > 1
        for number, name in enumerate(names):
            if not conversation:
                progress(number, len(names))
            lines += conversation_findings(
                session, name, events_told[name], pruned, progress if conversation else silent
            )
        if not conversation:
            lines += check_sums(session)
    return tuple(lines)


def conversation_findings(
    session: Session, name: str, events_told: list[tuple[int, str]], pruned: bool, progress: Progress = silent
) -> Iterator[str]:
    """What is wrong with one conversation, of which the feed tells this."""
    row = session.row("conversation_row", name=name)
    if row is None:
        yield f"{name}: there is no such conversation"
        return
    expected = Expected()
    for seq, at, stored_key, body, sealed, salt, digest in session.rows("all_entries", id=row[0]):
        if seq % EVERY == 0:
            progress(seq, row[1])
        expected.tip = sealed_by(expected, name, (seq, at, body), salt, digest, sealed)
        if sealed != expected.tip:
            yield f"{name}, entry {seq}: its seal is broken: it, or an entry before it, is not what was written"
            expected.tip = sealed  # what follows is judged by itself
        try:
            entry = logged(name, seq, at, body)
        except StoreError as exc:
            yield str(exc)
            return
        yield from check_entry(name, expected, entry, stored_key)
        fold(name, expected, entry)
    for seq in sorted(seq for seq in expected.emptied if not is_covered(seq, expected.forgotten)):
        yield f"{name}, entry {seq}: its content is gone, and no entry says who had it forgotten"
    digest_then, digest_now = expected.told_left
    if digest_then and digest_then != digest_now:
        yield f"{name}: a forgotten entry is not what was left of it when it was forgotten"
    yield from check_conversation(name, expected, row[1:])
    yield from compare(name, "message", stored_outcomes(session, row[0], expected), expected.messages)
    kinds = {seq: (kind, edited) for seq, kind, edited in session.rows("message_kinds", id=row[0])}
    yield from compare(name, "kind of message", kinds, expected.kinds)
    yield from compare(name, "button", dict(session.rows("button_rows", id=row[0])), expected.buttons)
    platform_ids = dict(session.rows("platform_id_rows", id=row[0]))
    yield from compare(name, "platform id", platform_ids, expected.platform_ids)
    asking = {seq: "open" for (seq,) in session.rows("question_rows", id=row[0])}
    yield from compare(name, "question", asking, dict.fromkeys(expected.asking, "open"))
    approvals = {approval: tuple(row) for approval, *row in session.rows("approval_rows", id=row[0])}
    yield from compare(name, "approval", approvals, expected.approvals)
    for approval in sorted(expected.over):
        if expected.approvals.get(approval, ("", 0, 0, ""))[3] == "waiting":
            yield f"{name}, approval {approval}: it still waits for a verdict, and its call is over"
    yield from compare(name, "spending of day", in_words(spending_of(session, name)), in_words(expected.spending))
    yield from check_events(name, expected, events_told, pruned)


def spending_of(session: Session, scope: str) -> dict[tuple[int, str], Spent]:
    """What a scope took on each day, by model, as stored."""
    return {(day, model): Spent(*sums) for day, model, *sums in session.rows("spending_rows", scope=scope)}


def in_words(sums: Mapping[tuple[int, str], Spent]) -> dict[str, Spent]:
    """Sums with their places as a finding tells them."""
    return {f"{day}, model {model or 'unknown'}": spent for (day, model), spent in sums.items()}


def check_sums(session: Session) -> Iterator[str]:
    """What is wrong with the sums of channels and of the bridge, which no single conversation tells."""
    expected: dict[str, dict[tuple[int, str], Spent]] = {}
    stored = [scope for (scope,) in session.rows("spending_scopes")]
    for conversation in (scope for scope in stored if "/" in scope):
        for place, spent in spending_of(session, conversation).items():
            for scope in scopes(conversation)[:2]:
                sums = expected.setdefault(scope, {})
                sums[place] = sums.get(place, Spent()) + spent
    for scope in {*expected, *(scope for scope in stored if "/" not in scope)}:
        name = f"channel {scope}" if scope else "the bridge"
        stored_sums, by_log = spending_of(session, scope), expected.get(scope, {})
        yield from compare(name, "spending of day", in_words(stored_sums), in_words(by_log))


def check_entry(name: str, expected: Expected, logged: Logged, stored_key: str | None) -> Iterator[str]:
    """What is wrong with an entry in its place."""
    if logged.seq != expected.head:
        yield f"{name}, entry {logged.seq}: entry {expected.head} is missing before it"
    if stored_key != key(logged.entry):
        yield f"{name}, entry {logged.seq}: its key is {stored_key!r}, and by its body {key(logged.entry)!r}"


def check_conversation(name: str, expected: Expected, row: tuple[object, ...]) -> Iterator[str]:
    """What is wrong with the conversation's own row; when it wakes is a hint, and not in the log."""
    head, at, calling, woken, _, _, title, responder, messages, last_at, last_text, tip, unsettled, heard, cleared = row
    for column, stored, by_log in (
        ("next entry", head, expected.head),
        ("time", at, expected.at),
        ("newest seal", tip, expected.tip),
        ("open model call", calling, expected.calling),
        ("last entry that wakes", woken, expected.woken),
        ("last message for the assistant", heard, expected.heard),
        ("last clearing", cleared, expected.cleared),
        ("title", title, expected.title),
        ("responder", responder, expected.responder),
        ("number of messages", messages, expected.count),
        ("last time", last_at, expected.last_at),
        ("last text", last_text, expected.last_text),
    ):
        if stored != by_log:
            yield f"{name}: the {column} is {stored!r}, and by the log {by_log!r}"
    # In a log from before it was kept it may be lower than need be: then more is read, and nothing overlooked.
    if expected.unsettled is not None and not (isinstance(unsettled, int) and unsettled <= expected.unsettled):
        yield f"{name}: the first entry that is not settled is {unsettled!r}, and by the log {expected.unsettled!r}"


def stored_outcomes(session: Session, id: int, expected: Expected) -> dict[int, Outcome]:
    """The rows as stored. Where the log tells no outcome, several statuses are right, which all count as None."""
    outcomes: dict[int, Outcome] = {}
    for seq, status, reason, platform_ids in session.rows("message_rows", id=id):
        open_by_log = seq in expected.messages and expected.messages[seq][0] is None
        if open_by_log and status in OPEN_STATUSES:
            outcomes[seq] = (None, "", ())
        elif status == "failed":
            outcomes[seq] = (status, reason, ())  # what went out before it failed is not in the log
        else:
            outcomes[seq] = (status, reason, tuple(json.loads(platform_ids)))
    return outcomes


def check_events(name: str, expected: Expected, events_told: list[tuple[int, str]], pruned: bool) -> Iterator[str]:
    """What is wrong with the feed's part of this conversation, as far as it was not pruned."""
    stored = dict(events_told)
    if len(events_told) != len(stored):
        yield f"{name}: the feed tells of {len(events_told) - len(stored)} entries twice"
    for seq, kind in stored.items():
        if kind not in expected.events.get(seq, ()):
            by_log = " or ".join(sorted(set(expected.events.get(seq, ())))) or "nothing"
            yield f"{name}, entry {seq}: the feed tells {kind}, and by the log {by_log}"
    # Events are pruned from the oldest on: what is missing behind one that is there was never told.
    first = min(stored, default=expected.head)
    for seq in sorted(expected.events.keys() - stored.keys()):
        if seq > first or not pruned:
            yield f"{name}, entry {seq}: the feed does not tell of it"


def compare(name: str, noun: str, stored: Mapping[K, object], by_log: Mapping[K, object]) -> Iterator[str]:
    """What differs between the rows of one kind and what they should be."""
    for row in {**by_log, **stored}:
        if stored.get(row) != by_log.get(row):
            yield f"{name}, {noun} {row}: stored is {stored.get(row)}, and by the log {by_log.get(row)}"
