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
from bridge_mcp.core.projections import approval_of, message_of, tokens_of
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


def fold(name: str, expected: Expected, here: Logged) -> None:
    """Take an entry into what is expected."""
    if here.seq == 0:
        expected.last_at = here.at
    expected.head, expected.at = here.seq + 1, here.at
    if wakes(here.entry):
        expected.woken = here.seq
    message = message_of(name, here, status="queued")
    if message is not None:
        expected.messages[here.seq] = ("received" if message.direction == "in" else None, "", ())
        expected.kinds[here.seq] = (message.kind, None)
        for token in tokens_of(here.entry):
            expected.buttons.setdefault(token, here.seq)
    if message is not None and message.kind == "message":
        expected.count += 1
        expected.title = title_after(expected.title, here.entry)
        expected.last_at, expected.last_text = here.at, message.text[:LAST_TEXT_CHARS]
    match here.entry:
        case Finished(call=call):
            expected.over.add(approval_id(name, call))
        case Stopped() | Cleared():
            expected.over |= expected.approvals.keys()
        case _:
            pass
    taken = usage_in(here)
    if taken is not None:
        place = (day_of(here.at), model_of(here.entry))
        expected.spending[place] = expected.spending.get(place, Spent()) + taken
    approval = approval_of(name, here)
    if approval is not None:
        expected.approvals.setdefault(approval.id, (approval.tool, here.seq, None, "waiting"))
    told = [event_of(name, here, delivered=delivered) for delivered in (False, True)]
    types = tuple(event.type for event in told if event is not None)
    if types:
        expected.events[here.seq] = types
    fold_marks(expected, here)
    fold_into_earlier(name, expected, here)


def fold_marks(expected: Expected, here: Logged) -> None:
    """How far back somebody must look after this entry."""
    expected.unsettled = unsettled_after(expected.unsettled, expected.heard, here)
    match here.entry:
        case Heard(to="assistant", answers=None):
            expected.heard = here.seq
        case Cleared():
            expected.cleared = here.seq
        case _:
            pass


def fold_into_earlier(name: str, expected: Expected, here: Logged) -> None:
    """What an entry says of those before it."""
    expected.calling = calling_after(expected.calling, here)
    match here.entry:
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
                expected.approvals[approval] = (asked[0], asked[1], here.seq, e.verdict)
        case Edited(message=seq) | Revised(message=seq) | Transcribed(message=seq) if seq in expected.kinds:
            expected.kinds[seq] = (expected.kinds[seq][0], here.seq)
        case Posted() as e if e.question is not None:
            expected.asking.add(here.seq)
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


def calling_after(calling: int | None, here: Logged) -> int | None:
    """The model call whose outcome is still wanted after this entry."""
    match here.entry:
        case Started(effect="model" | "summary"):
            return here.seq
        case Replied() | Stopped() | Cleared():
            return None
        case Withdrawn(message=message) if message < (calling or 0):
            return None
        case Heard(to="assistant", answers=None, continues=int() as message) if message < (calling or 0):
            return None
        case Edited(to="assistant", message=message) if message < (calling or 0):
            return None
        case Summarised(ref=ref) | Failed(effect="model" | "summary", ref=ref) if ref == calling:
            return None
        case _:
            return calling


def expect_outcome(expected: Expected, seq: int, told: Outcome) -> None:
    if expected.messages.get(seq, ("", "", ()))[0] is None:
        expected.messages[seq] = told
        for platform_id in filter(None, told[2]):
            expected.platform_ids.setdefault(platform_id, seq)


def expect_platform_ids(expected: Expected, seq: int, platform_ids: tuple[str, ...]) -> None:
    """A message that was edited stands in these parts now."""
    standing = expected.messages.get(seq)
    if standing is None or standing[0] == "received":
        return
    expected.messages[seq] = (standing[0], standing[1], platform_ids if standing[0] not in (None, "failed") else ())
    for platform_id in filter(None, platform_ids):
        expected.platform_ids.setdefault(platform_id, seq)
