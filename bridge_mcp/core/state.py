"""The state of a conversation, read from its log: the last batch of calls, the state of each, and unread messages."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge_mcp.core.entries import (
    Asked,
    Call,
    Cleared,
    Edited,
    External,
    Failed,
    Finished,
    Heard,
    Judged,
    Log,
    Logged,
    Posted,
    Question,
    Rang,
    Reminded,
    Replied,
    Requested,
    Reviewed,
    Scheduled,
    Started,
    Stopped,
    Summarised,
    Transcribed,
    Voted,
    Withdrawn,
)
from bridge_mcp.core.gathering import asks_at

__all__ = [
    "CallState",
    "State",
    "open_calls",
    "open_fates",
    "reaches_back_to",
    "read_state",
    "relevant",
    "state_of",
    "unread_count",
    "unsettled_after",
]


@dataclass(slots=True)
class CallState:
    """What the log says of one call so far."""

    finished: bool = False
    begun: int = 0
    begun_at: float = 0.0
    runner: str = ""
    """The process that runs it, where its caller does."""
    repeatable: bool = False
    asked: Asked | None = None
    judged: Judged | None = None
    voters: set[str] = field(default_factory=set[str])
    """The approvers who voted so far."""
    review_begun: bool = False
    """A reviewer was about to be asked."""
    reviewed: Reviewed | None = None
    """What came of that. Where it escalates, nothing that came before or after it counts."""
    asked_at: float = 0.0
    judged_at: float = 0.0
    told_at: float = 0.0
    """When people were last told that it waits."""
    told_of_tool: bool = False
    """They were told that it was approved and waits for its tool."""
    reminders: int = 0
    escalated: bool = False
    question: int | None = None
    """The seq of the question that the call has put to people."""
    ends_at: float = 0.0
    answer: str | None = None
    answered_by: set[int] = field(default_factory=set[int])
    """The seqs of the messages that make up the answer."""
    answered_at: float = 0.0
    """When the answer is complete, in epoch seconds."""


@dataclass(slots=True)
class State:
    """The part of a log that matters for the next step, read in one pass."""

    log: Log = ()
    """That part."""
    batch: Logged | None = None
    stopped: Logged | None = None
    fates: dict[str, CallState] = field(default_factory=dict[str, CallState])
    unread: list[Logged] = field(default_factory=list[Logged])
    model_starts: list[int] = field(default_factory=list[int])
    """Model calls begun since the last reply, stop or clearing: the attempts at the next reply."""
    failed: Failed | None = None
    """The failure of the last of them, if it failed."""
    summary_starts: int = 0
    """Summaries begun since then, or since the last one was made."""
    summary_failed: bool = False
    asking: int | None = None
    """The latest `Started` of a model call whose outcome is still wanted."""
    cut: int = -1
    """Where the model's view was cut last, as far as this part of the log tells."""
    head: int = 0
    scheduled: Scheduled | None = None
    transcribed: set[int] = field(default_factory=set[int])
    """The seqs of the voice messages whose words are known, or known not to be."""

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls of the batch, unless the turn was stopped since."""
        entry = self.batch.entry if self.batch and not self.stopped else None
        return entry.calls if isinstance(entry, Replied | Requested) else ()

    @property
    def external(self) -> External | None:
        """The batch's call as an external one; None if the engine runs it."""
        entry = self.batch.entry if self.batch and not self.stopped else None
        return entry.external if isinstance(entry, Requested) else None

    @property
    def open_fates(self) -> tuple[tuple[Call, CallState], ...]:
        """The calls of the batch without an outcome, each with its state."""
        return tuple([(call, fate) for call in self.calls if not (fate := self.fates[call.id]).finished])

    @property
    def open_calls(self) -> tuple[tuple[Call, Asked | None], ...]:
        """The same, each with its `Asked` while it waits for a verdict. This is the one definition of "pending"."""
        return tuple([(call, fate.asked if fate.judged is None else None) for call, fate in self.open_fates])

    @property
    def cut_off(self) -> str:
        """The finish reason of an incomplete reply; "" for a complete one, or for a client's calls."""
        entry = self.batch.entry if self.batch and not self.stopped else None
        return entry.finish if isinstance(entry, Replied) else ""

    @property
    def open_turn(self) -> int | None:
        """The turn that the last reply leaves open, because it asked for calls."""
        entry = self.batch.entry if self.batch and not self.stopped else None
        return entry.turn if isinstance(entry, Replied) and entry.calls else None


def state_of(log: Log) -> State:
    """The state by this log, or by a tail of it that `reaches_back_to` allows."""
    return read_state(relevant(log))


def read_state(log: Log) -> State:
    """One pass over a log."""
    state = State()
    for logged in log:
        state.head = logged.seq + 1
        match logged.entry:
            case Cleared():
                state = State(head=state.head)
            case Replied(upto=upto) as entry:
                settle_reading(state, upto)
                state.batch, state.stopped = logged, None
                state.fates = {call.id: CallState() for call in entry.calls}
            case Requested() as entry:
                state.batch, state.stopped = logged, None
                state.fates = {call.id: CallState() for call in entry.calls}
            case Stopped(upto=upto):
                settle_reading(state, upto)
                state.stopped = logged
                state.scheduled = None
            case Heard() | Edited() | Withdrawn() | Posted(question=Question()) as entry:
                note_message(state, logged, entry)
            case Scheduled() as entry:
                state.scheduled = entry
            case Rang():
                state.scheduled = None
            case Transcribed(message=message):
                state.transcribed.add(message)
            case Started(effect="model" | "summary") | Failed() | Summarised() as entry:
                note_model(state, logged.seq, entry)
            case Started() | Asked() | Reviewed() | Judged() | Voted() | Reminded() | Finished() as entry:
                note_call(state.fates.get(entry.call), entry, logged.at)
            case _:
                pass
    state.log = log
    return state


def note_message(state: State, logged: Logged, entry: Heard | Edited | Withdrawn | Posted) -> None:
    """Note unread messages, questions of calls, and the first answers to them."""
    seq = logged.seq
    match entry:
        case Heard(to="assistant", answers=None, continues=continues):
            state.unread.append(logged)
            if continues is not None:
                make_void(state, continues)
        case Edited(to="assistant", message=message):
            state.unread = [heard for heard in state.unread if not edits_or_is(heard, message)] + [logged]
            make_void(state, message)
        case Withdrawn(message=message):
            withdraw(state, message)
        case Posted(question=Question(call=call, expires_at=ends_at)) if call in state.fates:
            fate = state.fates[call]
            if fate.question is None:
                fate.question, fate.ends_at = seq, ends_at
        case Heard(answers=int() as question) as heard:
            for fate in state.fates.values():
                if fate.question == question:
                    note_answer(fate, logged, heard)
        case _:
            pass


def note_answer(fate: CallState, logged: Logged, heard: Heard) -> None:
    """Note the answer to a call's question: the first message, and its continuations."""
    if fate.answer is None:
        fate.answer = heard.text
    elif heard.continues in fate.answered_by:
        fate.answer = f"{fate.answer}\n{heard.text}"
    else:
        return
    fate.answered_by.add(logged.seq)
    fate.answered_at = asks_at(logged, heard)


def note_model(state: State, seq: int, entry: Started | Failed | Summarised) -> None:
    """Note a model call and its outcome."""
    match entry:
        case Started(effect="model"):
            state.asking = seq
            state.model_starts.append(seq)
            state.failed = None
        case Started():
            state.asking = seq
            state.summary_starts += 1
        case Failed(effect="model", ref=ref):
            if state.model_starts and state.model_starts[-1] == ref:
                state.failed = entry
        case Failed(effect="summary"):
            state.summary_failed = True
        case Failed():
            pass
        case Summarised(upto=upto):
            state.cut = upto
            state.summary_starts, state.summary_failed = 0, False


def withdraw(state: State, message: int) -> None:
    """Remove an unread message; a model call that has read it is void."""
    state.unread = [heard for heard in state.unread if heard.seq != message]
    make_void(state, message)


def edits_or_is(logged: Logged, message: int) -> bool:
    """Whether this is that message, or an earlier change of it."""
    return logged.seq == message or (isinstance(logged.entry, Edited) and logged.entry.message == message)


def make_void(state: State, message: int) -> None:
    """Make a model call void that has read this message, which has changed."""
    if state.asking is not None and state.asking > message:
        state.model_starts = [seq for seq in state.model_starts if seq != state.asking]
        state.asking = None


def settle_reading(state: State, upto: int) -> None:
    """Messages before `upto` are read, and the attempts at a reply to them are over."""
    state.unread = [heard for heard in state.unread if heard.seq >= upto]
    state.model_starts.clear()
    state.failed = state.asking = None
    state.summary_starts, state.summary_failed = 0, False


def note_call(
    fate: CallState | None, entry: Started | Asked | Reviewed | Judged | Voted | Reminded | Finished, at: float
) -> None:
    """Note one entry in its call's state; entries of an older batch's calls are ignored."""
    if fate is None:
        return
    match entry:
        case Started(effect="review"):
            fate.review_begun = True
        case Started():
            fate.begun += 1
            fate.begun_at, fate.runner = at, entry.runner
            fate.repeatable = entry.repeatable
        case Asked():
            fate.asked, fate.asked_at, fate.told_at = entry, at, at
        case Reviewed() if fate.reviewed is None or fate.reviewed.says != "escalate":
            fate.reviewed, fate.told_at = entry, at
        case Judged() if fate.judged is None:
            fate.judged, fate.judged_at = entry, at
        case Voted(by=by, digest=digest, person=person):
            if fate.asked is not None and fate.judged is None and digest == fate.asked.digest:
                fate.voters.add(person or by)
        case Reminded():
            fate.told_at = at
            fate.reminders += entry.why == "reminder"
            fate.escalated = fate.escalated or entry.why == "escalation"
            fate.told_of_tool = fate.told_of_tool or entry.why == "tool"
        case Finished():
            fate.finished = True
        case _:
            pass


def open_calls(log: Log) -> tuple[tuple[Call, Asked | None], ...]:
    """The calls of the last batch without an outcome, each with its `Asked` while it waits for a verdict."""
    return state_of(log).open_calls


def open_fates(log: Log) -> tuple[tuple[Call, CallState], ...]:
    """The calls of the last batch without an outcome, each with its state."""
    return state_of(log).open_fates


def unread_count(log: Log) -> int:
    """The number of messages for the assistant that no reply has read yet."""
    return len(state_of(log).unread)


def reaches_back_to(log: Log) -> int:
    """The lowest seq that `decide` looks at: a tail that begins at or before it gives the same step as the whole log.

    It is 0 if the tail does not show that; then more of the log is needed, if there is more.
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


def unsettled_after(before: int | None, heard: int, logged: Logged) -> int | None:
    """As `reaches_back_to`, entry by entry: the lowest seq that `decide` needs once this entry stands in the log.

    None: it needs none before the next entry. `before` is what it was, `heard` the seq of the last message for the
    assistant before this entry, -1 for none.
    """
    match logged.entry:
        case Heard(to="assistant", answers=None) | Started(effect="model" | "summary") | Summarised():
            return logged.seq if before is None else before
        case Failed(effect="model" | "summary"):
            return logged.seq if before is None else before
        case Requested() | Scheduled():
            return logged.seq
        case Replied(upto=upto, turn=turn, calls=calls) if calls:
            return max(0, min(turn, upto))
        case Replied(upto=upto) | Stopped(upto=upto):
            return upto if heard >= upto else None
        case Cleared() | Rang():
            return None
        case _:
            return before


def relevant(log: Log) -> Log:
    """The end of a log that the next step depends on: as long as the current turn, however long the log is."""
    return log[max(0, reaches_back_to(log) - log[0].seq) :] if log else log
