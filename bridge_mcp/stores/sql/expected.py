"""What a log says that the rows beside it must say, folded in memory, by other means than `appends` uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from bridge_mcp.core.entries import (
    Cleared,
    Configured,
    Delivered,
    Edited,
    Failed,
    Finished,
    Forgot,
    Heard,
    Judged,
    Lapsed,
    Logged,
    Posted,
    Replied,
    Revised,
    Started,
    Stopped,
    Summarised,
    Transcribed,
    Withdrawn,
    approval_id,
    wakes,
)
from bridge_mcp.core.events import event_of
from bridge_mcp.core.hash_chain import FIRST, Left, content_digest, link
from bridge_mcp.core.projections import approval_of, button_tokens, message_of
from bridge_mcp.core.spending import Spent, day_of, model_of, usage_in
from bridge_mcp.core.state import unsettled_after
from bridge_mcp.stores.sql.appends import LAST_TEXT_CHARS, title_after

__all__ = ["Expected", "Kind", "Outcome", "fold", "sealed_by"]

Outcome: TypeAlias = tuple[str | None, str, tuple[str, ...]]
"""How a message stands: status (None: not settled by the log), reason, platform ids."""

Kind: TypeAlias = tuple[str, int | None]
"""What a message's row is for, and the entry with its latest text."""

ApprovalRow: TypeAlias = tuple[str, int, int | None, str]
"""How an approval stands: tool, where it was asked, where it was judged, status."""


@dataclass(slots=True)
class Expected:
    """What the log says that the rows beside it must say."""

    head: int = 0
    at: float = 0.0
    tip: bytes = FIRST
    calling: int | None = None
    woken: int = -1
    unsettled: int | None = None
    heard: int = -1
    cleared: int = -1
    title: str = ""
    responder: str | None = None
    last_at: float = 0.0
    last_text: str = ""
    count: int = 0
    messages: dict[int, Outcome] = field(default_factory=dict[int, Outcome])
    kinds: dict[int, Kind] = field(default_factory=dict[int, Kind])
    buttons: dict[str, int] = field(default_factory=dict[str, int])
    platform_ids: dict[str, int] = field(default_factory=dict[str, int])
    asking: set[int] = field(default_factory=set[int])
    approvals: dict[str, ApprovalRow] = field(default_factory=dict[str, ApprovalRow])
    over: set[str] = field(default_factory=set[str])
    """The approvals whose calls have their outcome, or whose turn was ended."""
    events: dict[int, tuple[str, ...]] = field(default_factory=dict[int, tuple[str, ...]])
    """By seq: the type, or both where it depends on whether a commit is a delivery."""
    emptied: set[int] = field(default_factory=set[int])
    """The entries whose content is gone."""
    forgotten: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """The spans of which an entry says so."""
    left: Left = field(default_factory=Left)
    """What is left of the forgotten entries so far."""
    told_left: tuple[str, str] = ("", "")
    """What the last entry that says so tells of what is left before it, and what that is now."""
    spending: dict[tuple[int, str], Spent] = field(default_factory=dict[tuple[int, str], Spent])
    """By day."""


def sealed_by(
    expected: Expected,
    name: str,
    entry: tuple[int, float, str],
    salt: bytes | None,
    digest: bytes | None,
    sealed: bytes,
) -> bytes:
    """The seal that an entry must have: over its text, or over the digest that is kept of what was forgotten."""
    seq, at, body = entry
    if digest is not None:
        expected.emptied.add(seq)
        expected.left.add(seq, body)
        # Of before the salt the seal itself is all that is kept: the next one depends on it.
        return link(expected.tip, name, seq, at, digest) if digest else sealed
    return link(expected.tip, name, seq, at, body if salt is None else content_digest(salt, body))


def fold(name: str, expected: Expected, logged: Logged) -> None:
    """Take an entry into what is expected."""
    if logged.seq == 0:
        expected.last_at = logged.at
    expected.head, expected.at = logged.seq + 1, logged.at
    if wakes(logged.entry):
        expected.woken = logged.seq
    message = message_of(name, logged, status="queued")
    if message is not None:
        expected.messages[logged.seq] = ("received" if message.direction == "in" else None, "", ())
        expected.kinds[logged.seq] = (message.kind, None)
        for token in button_tokens(logged.entry):
            expected.buttons.setdefault(token, logged.seq)
    if message is not None and message.kind == "message":
        expected.count += 1
        expected.title = title_after(expected.title, logged.entry)
        expected.last_at, expected.last_text = logged.at, message.text[:LAST_TEXT_CHARS]
    match logged.entry:
        case Finished(call=call):
            expected.over.add(approval_id(name, call))
        case Stopped() | Cleared():
            expected.over |= expected.approvals.keys()
        case _:
            pass
    usage = usage_in(logged)
    if usage is not None:
        place = (day_of(logged.at), model_of(logged.entry))
        expected.spending[place] = expected.spending.get(place, Spent()) + usage
    approval = approval_of(name, logged)
    if approval is not None:
        expected.approvals.setdefault(approval.id, (approval.tool, logged.seq, None, "waiting"))
    events = [event_of(name, logged, delivered=delivered) for delivered in (False, True)]
    types = tuple(event.type for event in events if event is not None)
    if types:
        expected.events[logged.seq] = types
    fold_marks(expected, logged)
    fold_into_earlier(name, expected, logged)


def fold_marks(expected: Expected, logged: Logged) -> None:
    """How far back somebody must look after this entry."""
    expected.unsettled = unsettled_after(expected.unsettled, expected.heard, logged)
    match logged.entry:
        case Heard(to="assistant", answers=None):
            expected.heard = logged.seq
        case Cleared():
            expected.cleared = logged.seq
        case _:
            pass


def fold_into_earlier(name: str, expected: Expected, logged: Logged) -> None:
    """What an entry says of those before it."""
    expected.calling = calling_after(expected.calling, logged)
    match logged.entry:
        case Failed(effect="deliver", retry_at=None, ref=ref, reason=reason):
            expect_outcome(expected, ref, ("failed", reason, ()))
        case Delivered() as e:
            if e.of is not None:
                expect_platform_ids(expected, e.of, e.platform_ids)
            expect_outcome(expected, e.message, (e.status, "", e.platform_ids))
        case Judged() as e:
            approval = approval_id(name, e.call)
            asked = expected.approvals.get(approval)
            if asked is not None and asked[2] is None:
                expected.approvals[approval] = (asked[0], asked[1], logged.seq, e.verdict)
        case Edited(message=seq) | Revised(message=seq) | Transcribed(message=seq) if seq in expected.kinds:
            expected.kinds[seq] = (expected.kinds[seq][0], logged.seq)
        case Posted() as e if e.question is not None:
            expected.asking.add(logged.seq)
        case Heard(answers=int() as question) | Lapsed(message=question):
            expected.asking.discard(question)
        case Configured() as e:
            expected.responder = e.responder
        case Forgot(spans=spans, left=left):
            expected.forgotten += spans
            # Only the last one's holds: what an earlier one left may have been emptied further since.
            expected.told_left = (left, expected.left.hex())
        case _:
            pass


def calling_after(calling: int | None, logged: Logged) -> int | None:
    """The model call whose outcome is still wanted after this entry."""
    match logged.entry:
        case Started(effect="model" | "summary"):
            return logged.seq
        case Replied() | Stopped() | Cleared():
            return None
        case (
            Withdrawn(message=message)
            | Heard(to="assistant", answers=None, continues=int() as message)
            | Edited(to="assistant", message=message)
        ) if message < (calling or 0):
            return None
        case Summarised(ref=ref) | Failed(effect="model" | "summary", ref=ref) if ref == calling:
            return None
        case _:
            return calling


def expect_outcome(expected: Expected, seq: int, outcome: Outcome) -> None:
    if expected.messages.get(seq, ("", "", ()))[0] is None:
        expected.messages[seq] = outcome
        for platform_id in filter(None, outcome[2]):
            expected.platform_ids.setdefault(platform_id, seq)


def expect_platform_ids(expected: Expected, seq: int, platform_ids: tuple[str, ...]) -> None:
    """A message that was edited stands in these parts now."""
    message = expected.messages.get(seq)
    if message is None or message[0] == "received":
        return
    expected.messages[seq] = (message[0], message[1], platform_ids if message[0] not in (None, "failed") else ())
    for platform_id in filter(None, platform_ids):
        expected.platform_ids.setdefault(platform_id, seq)
