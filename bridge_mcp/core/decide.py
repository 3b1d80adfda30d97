"""What comes next in a conversation, from its log alone.

Theory of operation
-------------------
A conversation's log is its workflow. `decide(log, policy, now)` looks at the last *batch* (a `Replied` of the model,
or the `Requested` of a client), at what follows it, and names one `Step`. An executor does that one thing, appends
what came of it, and asks again. A crash at any point leaves a log from which the same function goes on; there is no
other path for resuming, and no state beside the log but `running`: the calls in flight in this very process.

The first match wins (a log that holds but a reminder has one step, Ring, when its time has come):

    a call is denied, or its fate is unknown            Settle   (the model is told)
    an asked call ran out of time, or a grant covers it Judge
    a call needs a verdict and was never asked          Ask      (all such calls at once: people think while tools run)
    a call is free to run                               Run      (all such calls at once)
    a call has waited long enough to be told of again   Remind
    a call is running or waits for a verdict            Wait
    the model failed and a retry is due later           Wait
    the model failed for good, or a budget is spent     Stop
    something is unread, and the past does not fit      Summarise, or Cut where that did not help
    something is unread: a message, or results          CallModel
    nothing                                             Idle

Why each rule is there: *intent before effect* (a `Started` without outcome is never run again unless the tool says
that this is harmless); *the first verdict wins* (expiry is a verdict too, so a late tap can be told); *counted from
the log* (a call that kills the process uses up its attempts and ends); *a reply says how far it had read* (a message
that came in while the model was at work is unread, whatever its place in the log).

What a policy says of the moment (the day's budget, whether the past fits into the window) is measured by the executor
only when a model call is next, and then the same function decides again: it stays pure, and a tail stays enough.

Sending is not a step: a message is put in the outbox by the very transaction that logs it, and goes out on a lane of
its own, so that a prompt or an agent's message never waits behind a turn.

House rules: all transitions live here. This file knows no store, no clock, no platform, and it is total.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from typing import TypeAlias

from bridge_mcp.core.entries import (
    Asked,
    Call,
    Cleared,
    Failed,
    Finished,
    Heard,
    Judged,
    Log,
    Logged,
    Outcome,
    Posted,
    Question,
    Rang,
    Reminded,
    Replied,
    Requested,
    Scheduled,
    Started,
    Stopped,
    Summarised,
    Verdict,
    Voted,
)
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.policy import Ask as NeedsVerdict
from bridge_mcp.core.policy import Budget, Free, Policy, Refuse
from bridge_mcp.core.tools import call_digest, parse_arguments
from bridge_mcp.core.vain import rounds_in_vain

__all__ = [
    "INTERRUPTED",
    "SPENT",
    "Ask",
    "CallModel",
    "Cut",
    "Idle",
    "Judge",
    "Remind",
    "Ring",
    "Run",
    "Settle",
    "Step",
    "Stop",
    "Summarise",
    "Wait",
    "decide",
    "open_calls",
    "reaches_back_to",
    "relevant",
    "unread",
    "work_seconds",
]


@dataclass(frozen=True, slots=True)
class Settle:
    """Write a call's outcome without running it."""

    call: Call
    outcome: Outcome
    content: str


@dataclass(frozen=True, slots=True)
class Judge:
    """Close an asked call by rule: it expired, or a grant given meanwhile covers it. The verdict's path is `rule`."""

    call: Call
    verdict: Verdict
    by: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask for verdicts on these calls, each with the reason why."""

    calls: tuple[tuple[Call, str], ...]


@dataclass(frozen=True, slots=True)
class Remind:
    """Tell people again that this call waits, or tell the next ones; `reminded` is what to record once that is done."""

    call: Call
    asked: Asked
    reminded: Reminded


@dataclass(frozen=True, slots=True)
class Ring:
    """Tell the assistant, in its conversation, what it wanted to be reminded of."""

    scheduled: Scheduled


@dataclass(frozen=True, slots=True)
class Run:
    """Run these calls, together; each with its arguments as they shall run, and what let it."""

    calls: tuple[tuple[Call, str, str], ...]


@dataclass(frozen=True, slots=True)
class CallModel:
    """Call the model. `turn` is the seq of the message that opened the turn; `attempt` counts from 1."""

    turn: int
    attempt: int
    upto: int | None = None
    """Messages with this seq and later ones are left to turns of their own; None: none are."""


@dataclass(frozen=True, slots=True)
class Summarise:
    """Have the model sum up what was said before `upto`, so that it can leave its view; `attempt` counts from 1."""

    turn: int
    upto: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Let what was said before `upto` leave the model's view without a summary of its own."""

    upto: int


@dataclass(frozen=True, slots=True)
class Stop:
    """End the turn without a reply."""

    reason: str
    upto: int
    text: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until` (epoch seconds; None: until something comes in)."""

    until: float | None


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing to do until something comes in."""


Step: TypeAlias = Ring | Settle | Judge | Ask | Run | Remind | CallModel | Summarise | Cut | Stop | Wait | Idle

SUMMARY_ATTEMPTS = 2
"""How often a summary is begun before the past is cut without one: one that failed is not tried again."""


GAVE_UP = "I could not finish this. Please try again, or ask for less at once."
SPENT = "Today's budget for the model is spent, so I cannot answer. It begins anew at 00:00 UTC: please write then."
UNKNOWN = (
    "Outcome unknown: the call was begun and then interrupted, and nobody can say whether it took effect. "
    "It was not run again. Check before you repeat it."
)
INTERRUPTED = "interrupted by a new message"
CHANGED = "Not run: the tool's definition changed after the call was approved. Ask for it again."


@dataclass(slots=True)
class Fate:
    """What the log says of one call so far."""

    finished: bool = False
    begun: int = 0
    repeatable: bool = False
    asked: Asked | None = None
    judged: Judged | None = None
    voters: set[str] = field(default_factory=set[str])
    """Who said yes to what was asked, before there was a verdict."""
    told_at: float = 0.0
    """When people were last told that it waits."""
    reminders: int = 0
    escalated: bool = False
    question: int | None = None
    """The seq of the question that the call has put to people."""
    ends_at: float = 0.0
    answer: str | None = None


@dataclass(slots=True)
class View:
    """The part of a log that matters for the next step, read in one pass."""

    batch: Logged | None = None
    stopped: Logged | None = None
    fates: dict[str, Fate] = field(default_factory=dict[str, Fate])
    unread: list[Logged] = field(default_factory=list[Logged])
    model_starts: list[int] = field(default_factory=list[int])
    """Model calls begun since the last reply, stop or clearing: the attempts at the next reply."""
    failed: Failed | None = None
    """How the last of them failed, if it did."""
    summary_starts: int = 0
    """Summaries begun since then, or since the last one was made."""
    summary_failed: bool = False
    asking: int | None = None
    """The latest `Started` of a model call whose outcome is still wanted."""
    cut: int = -1
    """Where the model's view was cut last, as far as this part of the log tells."""
    head: int = 0
    scheduled: Scheduled | None = None

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls of the batch, unless the turn was stopped since."""
        entry = self.batch.entry if self.batch and not self.stopped else None
        return entry.calls if isinstance(entry, Replied | Requested) else ()

    @property
    def open_turn(self) -> int | None:
        """The turn that the last reply leaves open, because it asked for calls."""
        entry = self.batch.entry if self.batch and not self.stopped else None
        return entry.turn if isinstance(entry, Replied) and entry.calls else None


def read(log: Log) -> View:
    """One pass over a log."""
    view = View()
    for logged in log:
        view.head = logged.seq + 1
        match logged.entry:
            case Cleared():
                view = View(head=view.head)
            case Replied(upto=upto) as entry:
                settle_reading(view, upto)
                view.batch, view.stopped = logged, None
                view.fates = {call.id: Fate() for call in entry.calls}
            case Requested() as entry:
                view.batch, view.stopped = logged, None
                view.fates = {call.id: Fate() for call in entry.calls}
            case Stopped(upto=upto):
                settle_reading(view, upto)
                view.stopped = logged
            case Heard(to="assistant", answers=None):
                view.unread.append(logged)
            case Posted(question=Question()) | Heard(answers=int()) as entry:
                note_question(view, logged.seq, entry)
            case Scheduled() as entry:
                view.scheduled = entry
            case Rang():
                view.scheduled = None
            case Started(effect="model" | "summary") | Failed() | Summarised() as entry:
                note_model(view, logged.seq, entry)
            case Started() | Asked() | Judged() | Voted() | Reminded() | Finished() as entry:
                note(view.fates.get(entry.call), entry, logged.at)
            case _:
                pass
    return view


def note_question(view: View, seq: int, entry: Posted | Heard) -> None:
    """Write down what a call has asked people, and the first answer to it."""
    match entry:
        case Posted(question=Question(call=call, expires_at=ends_at)) if call in view.fates:
            fate = view.fates[call]
            if fate.question is None:
                fate.question, fate.ends_at = seq, ends_at
        case Heard(answers=int() as question, text=text):
            for fate in view.fates.values():
                if fate.question == question and fate.answer is None:
                    fate.answer = text
        case _:
            pass


def note_model(view: View, seq: int, entry: Started | Failed | Summarised) -> None:
    """Write down what became of asking the model."""
    match entry:
        case Started(effect="model"):
            view.asking = seq
            view.model_starts.append(seq)
            view.failed = None
        case Started():
            view.asking = seq
            view.summary_starts += 1
        case Failed(effect="model", ref=ref):
            if view.model_starts and view.model_starts[-1] == ref:
                view.failed = entry
        case Failed(effect="summary"):
            view.summary_failed = True
        case Failed():
            pass
        case Summarised(upto=upto):
            view.cut = upto
            view.summary_starts, view.summary_failed = 0, False


def settle_reading(view: View, upto: int) -> None:
    """What was heard before `upto` is dealt with, and the attempts at dealing with it are over."""
    view.unread = [heard for heard in view.unread if heard.seq >= upto]
    view.model_starts.clear()
    view.failed = view.asking = None
    view.summary_starts, view.summary_failed = 0, False


def note(fate: Fate | None, entry: Started | Asked | Judged | Voted | Reminded | Finished, at: float) -> None:
    """Write one entry into its call's fate; entries of an older batch's calls concern nobody any more."""
    if fate is None:
        return
    match entry:
        case Started():
            fate.begun += 1
            fate.repeatable = entry.repeatable
        case Asked():
            fate.asked, fate.told_at = entry, at
        case Judged():
            fate.judged = fate.judged or entry
        case Voted(by=by, digest=digest):
            if fate.asked is not None and fate.judged is None and digest == fate.asked.digest:
                fate.voters.add(by)
        case Reminded():
            fate.told_at = at
            fate.reminders += entry.why == "reminder"
            fate.escalated = fate.escalated or entry.why == "escalation"
        case Finished():
            fate.finished = True


def decide(log: Log, policy: Policy, now: float, running: Set[str] = frozenset(), calling: int | None = None) -> Step:
    """The next step of the conversation whose log (or a tail that `reaches_back_to` allows) this is.

    `running` holds the ids of the calls in flight in this process; they are waited for, not settled. `calling` is the
    seq of the model call in flight, if there is one.
    """
    log = relevant(log)
    view = read(log)
    if view.scheduled is not None:
        return Ring(view.scheduled) if now >= view.scheduled.at else Wait(view.scheduled.at)
    newer = interruption(view, calling) if policy.while_busy == "interrupt" else None
    if newer is not None:
        return Stop(INTERRUPTED, newer, "")
    if calling is not None:
        return Wait(None)
    return step_of_calls(view, policy, now, running) or step_of_model(view, log, policy, now)


def interruption(view: View, calling: int | None) -> int | None:
    """The first message that came in after a model call or the calls of a turn were begun, while these are open."""
    if calling is not None:
        newer = [heard.seq for heard in view.unread if heard.seq > calling and view.asking == calling]
        return min(newer, default=None)
    at_work = view.open_turn is not None and not all(fate.finished for fate in view.fates.values())
    return view.unread[0].seq if at_work and view.unread else None


def step_of_calls(view: View, policy: Policy, now: float, running: Set[str]) -> Step | None:
    """The step that the batch's calls ask for; None when every one has its outcome."""
    steps = [step_of_call(call, view.fates[call.id], policy, now, running) for call in view.calls]
    closing = [step for step in steps if isinstance(step, Settle)] or [s for s in steps if isinstance(s, Judge)]
    if closing:
        return closing[0]
    ask = tuple(asked for step in steps if isinstance(step, Ask) for asked in step.calls)
    if ask:
        return Ask(ask)
    run = tuple(free for step in steps if isinstance(step, Run) for free in step.calls)
    free_slots = max(0, policy.max_parallel - len(running))
    if run[:free_slots]:
        return Run(run[:free_slots])
    reminders = [step for step in steps if isinstance(step, Remind)]
    if reminders:
        return reminders[0]
    waits = [step for step in steps if isinstance(step, Wait)]
    if waits or run:
        return Wait(min((wait.until for wait in waits if wait.until is not None), default=None))
    return None


def step_of_call(
    call: Call, fate: Fate, policy: Policy, now: float, running: Set[str]
) -> Settle | Judge | Ask | Run | Remind | Wait | None:
    """What one call asks for; None when it has its outcome."""
    if fate.finished:
        return None
    if call.id in running:
        return Wait(None)
    if fate.question is not None:
        return step_of_question(call, fate, now)
    if fate.begun and (not fate.repeatable or fate.begun >= policy.budget.attempts):
        return Settle(call, "unknown", UNKNOWN)
    if fate.judged is not None:
        return step_of_verdict(call, fate, fate.judged, policy)
    match policy.gate(call, now):  # also of what was begun before: the tool may be another one by now
        case Refuse(because):
            return Settle(call, "error", because)
        case Free(because):
            because = "repeatable" if fate.begun else because
            if fate.asked is None:
                return Run(((call, call.arguments, because),))
            # What was asked of several stays theirs to decide, whatever was granted or configured since.
            several = fate.asked.quorum > 1
            return step_of_waiting(call, fate, fate.asked, now) if several else Judge(call, "approved", because)
        case NeedsVerdict(because):
            return Ask(((call, because),)) if fate.asked is None else step_of_waiting(call, fate, fate.asked, now)


def step_of_question(call: Call, fate: Fate, now: float) -> Settle | Wait:
    """What a call asks for whose result is people's answer: it waits for that as a row in a log, and not as a task."""
    if fate.answer is not None:
        return Settle(call, "ok", fate.answer)
    if fate.ends_at and now >= fate.ends_at:
        return Settle(call, "expired", "Nobody answered in time.")
    return Wait(fate.ends_at or None)


def step_of_waiting(call: Call, fate: Fate, asked: Asked, now: float) -> Judge | Remind | Wait:
    """What a call asks for that waits for people: an end, a reminder, or patience until the next of those."""
    if asked.expires_at and now >= asked.expires_at:
        return Judge(call, "expired", "bridge")
    escalate_at = asked.escalate_at if asked.escalate_to and not fate.escalated else 0.0
    if escalate_at and now >= escalate_at:
        return Remind(call, asked, Reminded(call.id, 1, "escalation", asked.escalate_to))
    remind_at = fate.told_at + asked.remind_s if asked.remind_s > 0 else 0.0
    if remind_at and now >= remind_at:
        to = asked.escalate_to if fate.escalated else asked.route
        return Remind(call, asked, Reminded(call.id, fate.reminders + 1, "reminder", to))
    ahead = [at for at in (asked.expires_at, escalate_at, remind_at) if at]
    return Wait(min(ahead, default=None))


def step_of_verdict(call: Call, fate: Fate, judged: Judged, policy: Policy) -> Settle | Run:
    """What a judged call asks for. An approval holds for the very call it was given for, as the tool is now."""
    if judged.verdict == "approved" and fate.asked is not None and len(fate.voters) < fate.asked.quorum > 1:
        return Settle(call, "denied", f"Not run: it takes {fate.asked.quorum} approvers, and fewer said yes.")
    match judged.verdict:
        case "approved":
            arguments = call.arguments if judged.arguments is None else judged.arguments
            spec = policy.tools.get(call.tool)
            if spec is None:
                return Settle(call, "error", f"The tool '{call.tool}' was approved but is no longer there.")
            try:
                same = not judged.digest or call_digest(spec, parse_arguments(arguments)) == judged.digest
            except BadInput as exc:
                return Settle(call, "error", str(exc))
            return Run(((call, arguments, "verdict"),)) if same else Settle(call, "denied", CHANGED)
        case "rejected":
            why = f": {judged.note}" if judged.note else "."
            return Settle(call, "denied", f"Not run: it was rejected{why}")
        case "expired":
            return Settle(call, "expired", "Not run: nobody approved it in time.")
        case "cancelled":
            return Settle(call, "stopped", "Not run: the turn was stopped.")


def step_of_model(view: View, log: Log, policy: Policy, now: float) -> Step:
    """The step once no call is open."""
    turn = view.open_turn
    if turn is None:
        if not view.unread:
            return Idle()
        turn = view.unread[0].seq
    upto = left_to_the_next(view) if policy.while_busy == "queue" else None
    if view.failed is not None:
        if view.failed.retry_at is None:
            return stop(view, view.failed.reason, view.failed.text or GAVE_UP, upto)
        if now < view.failed.retry_at:
            return Wait(view.failed.retry_at)
    attempt = len(view.model_starts) + 1
    if attempt > policy.budget.attempts:
        why = view.failed.reason if view.failed else "each attempt ended with the process"
        text = view.failed.text if view.failed else ""
        return stop(view, f"the model gave no reply in {attempt - 1} attempts: {why}", text or GAVE_UP, upto)
    vain, why = rounds_in_vain(log, turn)
    if vain >= policy.budget.vain_rounds:
        reason = f"the model asked {vain} times in a row for calls that cannot be made: {why}"
        return stop(view, reason, GAVE_UP, upto)
    if policy.spent:
        return stop(view, policy.spent, SPENT, upto)
    spent = budget_spent(log, turn, policy.budget)
    if spent:
        return stop(view, spent, GAVE_UP, upto)
    if policy.cut is not None and policy.cut > view.cut:
        if not policy.summarise or view.summary_failed or view.summary_starts >= SUMMARY_ATTEMPTS:
            return Cut(policy.cut)
        return Summarise(turn, policy.cut, view.summary_starts + 1)
    return CallModel(turn, attempt, upto)


def left_to_the_next(view: View) -> int | None:
    """Where the next turn begins, when each message has its own: one reply reads no more than the one before it."""
    entry = view.batch.entry if view.batch and not view.stopped else None
    if isinstance(entry, Replied) and entry.calls:
        return entry.upto
    return view.unread[1].seq if len(view.unread) > 1 else None


def stop(view: View, reason: str, text: str, upto: int | None) -> Stop:
    """End the turn: what the last attempt had read is given up, what came in after it opens a new turn."""
    if upto is not None:
        return Stop(reason, upto, text)
    if view.model_starts:
        return Stop(reason, view.model_starts[-1], text)
    entry = view.batch.entry if view.batch else None
    return Stop(reason, entry.upto if isinstance(entry, Replied) and entry.calls else view.head, text)


def budget_spent(log: Log, turn: int, budget: Budget) -> str:
    """Why this turn may not go on, or nothing."""
    calls = rounds = 0
    for logged in log:
        match logged.entry:
            case Started(effect="model", turn=t) if t == turn:
                calls += 1
            case Replied(turn=t, calls=asked) if t == turn and asked:
                rounds += 1
            case _:
                pass
    if calls >= budget.model_calls:
        return f"the turn's budget of {budget.model_calls} model calls is spent"
    if rounds > budget.tool_rounds:
        return f"the turn's budget of {budget.tool_rounds} tool rounds is spent"
    if work_seconds(log, turn) >= budget.work_s:
        return f"the turn's budget of {budget.work_s:g} seconds of work is spent"
    return ""


def work_seconds(log: Log, turn: int) -> float:
    """The seconds of a turn in which a model or a tool was at work.

    Overlapping calls count once. The time people took, and the time the bridge was down, do not count: an effect that a
    crash cut short has no end in the log.
    """
    total = until = 0.0
    for begin, end in sorted(work_spans(log, turn)):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


def work_spans(log: Log, turn: int) -> Iterator[tuple[float, float]]:
    """Begin and end of every effect of a turn that has both; of what was at work before it, nothing."""
    begun: dict[str, float] = {}
    opened = False
    for logged in log:
        opened = opened or (isinstance(logged.entry, Started) and logged.entry.turn == turn)
        if not opened:
            continue
        match logged.entry:
            case Started(effect="model" | "summary"):
                begun[f"model:{logged.seq}"] = logged.at
            case Started(call=call):
                begun[call] = logged.at
            case Replied() as entry:
                yield begun.get(f"model:{entry.started}", logged.at), logged.at
            case Summarised(ref=ref) | Failed(effect="model" | "summary", ref=ref):
                yield begun.get(f"model:{ref}", logged.at), logged.at
            case Finished(call=call):
                yield begun.get(call, logged.at), logged.at
            case _:
                pass


def open_calls(log: Log) -> tuple[tuple[Call, Asked | None], ...]:
    """The calls of the last batch that have no outcome, each with its `Asked` while it waits for a verdict.

    This is the one definition of "pending".
    """
    view = read(relevant(log))
    pending = [(call, view.fates[call.id]) for call in view.calls]
    return tuple((call, fate.asked if fate.judged is None else None) for call, fate in pending if not fate.finished)


def unread(log: Log) -> int:
    """How many messages for the assistant no reply has read yet."""
    return len(read(relevant(log)).unread)


def reaches_back_to(log: Log) -> int:
    """The lowest seq that `decide` looks at: a tail that begins at or before it gives the same step as the whole log.

    It is 0 while a tail shows no border; then more of the log is needed, if there is more.
    """
    for logged in reversed(log):
        match logged.entry:
            case Cleared() | Requested():
                return logged.seq
            case Replied(upto=upto, turn=turn, calls=calls):
                return min(turn, upto) if calls else upto
            case Stopped(upto=upto):
                return upto
            case _:
                pass
    return 0


def relevant(log: Log) -> Log:
    """The end of a log that the next step depends on; as long as the turn under way, whatever went before."""
    return log[max(0, reaches_back_to(log) - log[0].seq) :] if log else log
