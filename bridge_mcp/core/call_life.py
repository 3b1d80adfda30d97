"""The life of one call as a flat record, for whoever checks from outside: who asked, who decided, what ran, when."""

from __future__ import annotations

from collections.abc import Mapping

from bridge_mcp.core.entries import (
    Asked,
    Call,
    Collected,
    Entry,
    External,
    Finished,
    Judged,
    Logged,
    Replied,
    Requested,
    Reviewed,
    Started,
    Voted,
    approval_id,
)
from bridge_mcp.core.tools import JSON

__all__ = ["Life", "is_over", "life_after", "new_life"]

Life = Mapping[str, JSON]

TIMES = ("requested_at", "asked_at", "decided_at", "started_at", "finished_at")
TEXTS = (
    *("approval", "tool", "arguments", "requested_by", "caller", "digest", "reason", "reviewer", "review"),
    *("verdict", "decided_by", "decided_via", "decided_digest", "note", "remember"),
    *("cleared_by", "ran_with", "ran_digest", "runner", "outcome", "collected_by"),
)


def new_life(conversation: str, call: str) -> Life:
    """The record of a call of which nothing is known yet. Times are epoch seconds, 0 for what has not happened."""
    texts: dict[str, JSON] = dict.fromkeys(TEXTS, "")
    return {"conversation": conversation, "call": call, **texts, "votes": [], **dict.fromkeys(TIMES, 0.0)}


def is_over(life: Life) -> bool:
    """Whether there will be nothing more to tell of a call."""
    return bool(life["outcome"])


def life_after(life: Life, logged: Logged) -> Life:
    """The record with one more entry of its log; as it was where that is not about its call."""
    return {**life, **changes_by(life, logged.entry, logged.at)}


def changes_by(life: Life, entry: Entry, at: float) -> Life:
    """What an entry tells of a call."""
    match entry:
        case Requested(calls=calls, by=by, external=external):
            return with_request(life, calls, by, at, external)
        case Replied(calls=calls):
            return with_request(life, calls, "assistant", at)
        case Asked() | Reviewed() | Voted() | Judged() if entry.call == life["call"]:
            return verdict_news(life, entry, at)
        case Started(effect="tool", call=call) if call == life["call"]:
            began: Life = {} if life["started_at"] else {"started_at": at}
            ran: Life = {"ran_with": entry.arguments, "ran_digest": entry.digest, "runner": entry.runner}
            return {**began, **ran, "cleared_by": entry.cleared_by}
        case Finished(call=call) if call == life["call"] and not life["outcome"]:
            return {"outcome": entry.outcome, "finished_at": at, "digest": life["digest"] or entry.digest}
        case Collected(call=call) if call == life["call"]:
            return {"collected_by": entry.by}
        case _:
            return {}


def with_request(life: Life, calls: tuple[Call, ...], by: str, at: float, external: External | None = None) -> Life:
    """What was asked for, if it is this call."""
    call = next((candidate for candidate in calls if candidate.id == life["call"]), None)
    if call is None:
        return {}
    caller = external.caller if external is not None else ""
    return {"tool": call.tool, "arguments": call.arguments, "requested_by": by, "requested_at": at, "caller": caller}


def verdict_news(life: Life, entry: Asked | Reviewed | Voted | Judged, at: float) -> Life:
    """What an entry tells of a call's verdict. Of verdicts the first one counts."""
    match entry:
        case Asked():
            approval = approval_id(str(life["conversation"]), entry.call)
            question: Life = {"reason": entry.reason, "reviewer": entry.reviewer, "requested_by": entry.requested_by}
            return {"approval": approval, "digest": entry.digest, "asked_at": at, **question}
        case Reviewed():
            return {"review": entry.says}
        case Voted():
            votes = life["votes"]
            earlier = votes if isinstance(votes, list) else []
            return {"votes": [*earlier, {"by": entry.by, "via": entry.via, "at": at, "digest": entry.digest}]}
        case Judged() if not life["verdict"]:
            decision: Life = {"decided_by": entry.by, "decided_via": entry.via, "decided_at": at, "note": entry.note}
            return {"verdict": entry.verdict, **decision, "decided_digest": entry.digest, "remember": entry.remember}
        case Judged():
            return {}
