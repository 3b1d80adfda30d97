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
    its reviewer decides, as its rule lets it           Judge    (approves what was asked, or rejects it)
    a call needs a verdict and was never asked          Ask      (all such calls at once: people think while tools run)
    an asked call is its reviewer's to look at          Review   (people are asked once that is over)
    its reviewer cannot be asked, or has no say now     Escalate (people have the word)
    a call is free to run                               Run      (all at once; HandOver: its caller runs it)
    a call has waited long enough to be told of again   Remind
    a call is running, waits for a verdict, or was
    approved and waits for its tool                     Wait
    what is unread may be continued in a moment         Wait     (a pasted text that was cut, a forward, a picture)
    the model failed and a retry is due later           Wait
    the model failed for good, or a budget is spent     Stop
    something is unread, and the past does not fit      Summarise, or Cut where that did not help
    something is unread: a message, or results          CallModel
    nothing                                             Idle

Why each rule is there: *intent before effect* (a `Started` without outcome is never run again unless the tool says
that this is harmless); *a reviewer fails closed* (whatever goes wrong with it, people are asked); *the first verdict
wins* (expiry is a verdict too, so a late tap can be told); *counted from
the log* (a call that kills the process uses up its attempts and ends); *a reply says how far it had read* (a message
that came in while the model was at work is unread, whatever its place in the log).

What a policy says of the moment (the day's budget, whether the past fits into the window) is measured by the executor
only when a model call is next, and then the same function decides again: it stays pure, and a tail stays enough.

A tool that is not there ends no call that people were asked about: only a verdict, its time, a stop or a clearing does,
or a config that has the tool no longer. Once approved, it waits for its tool as long as people had for the verdict.
Whoever writes the outcome of a call that still waits closes its approval with it (`state.closing`).

Sending is not a step: a message is put in the outbox by the very transaction that logs it, and goes out on a lane of
its own, so that a prompt or an agent's message never waits behind a turn.

House rules: all transitions live here. This file knows no store, no clock, no platform, and it is total.
"""

from __future__ import annotations

from collections.abc import Set

from bridge_mcp.core.call_steps import step_of_calls
from bridge_mcp.core.chat_texts import GAVE_UP
from bridge_mcp.core.entries import (
    Heard,
    Log,
    Replied,
)
from bridge_mcp.core.failed_rounds import failed_rounds
from bridge_mcp.core.gathering import LONGEST_S, asks_at, group_end
from bridge_mcp.core.hearing import LONGEST_S as HEARING_S
from bridge_mcp.core.hearing import waits_until
from bridge_mcp.core.policy import Policy
from bridge_mcp.core.state import State, state_of
from bridge_mcp.core.steps import CallModel, Cut, Idle, Ring, Step, Stop, Summarise, Wait
from bridge_mcp.core.turn_budget import budget_spent

__all__ = ["INTERRUPTED", "SPENT", "decide", "decide_from"]

SUMMARY_ATTEMPTS = 2
"""How often a summary is begun before the past is cut without one: one that failed is not tried again."""


SPENT = "Today's budget for the model is spent, so I cannot answer. It begins anew at 00:00 UTC: please write then."
INTERRUPTED = "interrupted by a new message"


def decide(
    log: Log,
    policy: Policy,
    now: float,
    running: Set[str] = frozenset(),
    calling: int | None = None,
    reviewing: Set[str] = frozenset(),
) -> Step:
    """The next step of the conversation whose log (or a tail that `reaches_back_to` allows) this is.

    `running` holds the ids of the calls in flight in this process; they are waited for, not settled. `calling` is the
    seq of the model call in flight, if there is one; `reviewing` holds the ids of the calls that a reviewer looks at.
    """
    return decide_from(state_of(log), policy, now, running, calling, reviewing)


def decide_from(
    state: State,
    policy: Policy,
    now: float,
    running: Set[str] = frozenset(),
    calling: int | None = None,
    reviewing: Set[str] = frozenset(),
) -> Step:
    """As `decide`, for a log that was read already."""
    if state.scheduled is not None:
        return Ring(state.scheduled) if now >= state.scheduled.at else Wait(state.scheduled.at)
    newer = interruption(state, calling) if policy.while_busy == "interrupt" else None
    if newer is not None:
        return Stop(INTERRUPTED, newer, "")
    if calling is not None:
        return Wait(None)
    return step_of_calls(state, policy, now, running, reviewing) or step_of_model(state, policy, now)


def interruption(state: State, calling: int | None) -> int | None:
    """The first message that came in after the open model call or tool calls of a turn began."""
    if calling is not None:
        newer = [heard.seq for heard in state.unread if heard.seq > calling and state.asking == calling]
        return min(newer, default=None)
    at_work = state.open_turn is not None and not all(fate.finished for fate in state.fates.values())
    return state.unread[0].seq if at_work and state.unread else None


def step_of_model(state: State, policy: Policy, now: float) -> Step:
    """The step once no call is open."""
    turn = state.open_turn
    if turn is None:
        if not state.unread:
            return Idle()
        turn = state.unread[0].seq
    upto = next_turn_start(state) if policy.while_busy == "queue" else None
    if state.failed is not None and state.failed.retry_at is None:
        return stop(state, state.failed.reason, state.failed.text or GAVE_UP, upto)
    later = max(
        continuation_deadline(state, upto, now),
        words_until(state, policy, now),
        (state.failed.retry_at or 0.0) if state.failed else 0.0,
    )
    if now < later:
        return Wait(later)
    attempt = len(state.model_starts) + 1
    if attempt > policy.budget.attempts:
        why = state.failed.reason if state.failed else "each attempt ended with the process"
        text = state.failed.text if state.failed else ""
        return stop(state, f"the model gave no reply in {attempt - 1} attempts: {why}", text or GAVE_UP, upto)
    failed, why = failed_rounds(state.log, turn)
    if failed >= policy.budget.max_failed_rounds:
        reason = f"the model asked {failed} times in a row for calls that cannot be made: {why}"
        return stop(state, reason, GAVE_UP, upto)
    if policy.spent:
        return stop(state, policy.spent, SPENT, upto)
    spent = budget_spent(state.log, turn, policy.budget)
    if spent:
        return stop(state, spent, GAVE_UP, upto)
    if policy.cut is not None and policy.cut > state.cut:
        if not policy.summarise or state.summary_failed or state.summary_starts >= SUMMARY_ATTEMPTS:
            return Cut(policy.cut)
        return Summarise(turn, policy.cut, state.summary_starts + 1)
    return CallModel(turn, attempt, upto)


def next_turn_start(state: State) -> int | None:
    """The seq where the next turn begins, if each message has its own turn (`while_busy` queue)."""
    entry = state.batch.entry if state.batch and not state.stopped else None
    if isinstance(entry, Replied) and entry.calls:
        return entry.upto
    end = group_end(state.unread)
    return state.unread[end].seq if len(state.unread) > end else None


def continuation_deadline(state: State, upto: int | None, now: float) -> float:
    """Until when to wait for a continuation of the last unread message, in epoch seconds."""
    last = next((heard for heard in reversed(state.unread) if upto is None or heard.seq < upto), None)
    deadline = asks_at(last, last.entry) if last is not None and isinstance(last.entry, Heard) else 0.0
    return deadline if deadline <= now + LONGEST_S else 0.0


def words_until(state: State, policy: Policy, now: float) -> float:
    """Until when to wait for the words of voice messages, in epoch seconds."""
    if not policy.hears:
        return 0.0
    unheard = [waits_until(heard) for heard in state.unread if heard.seq not in state.transcribed]
    until = max(unheard, default=0.0)
    return until if until <= now + HEARING_S else 0.0


def stop(state: State, reason: str, text: str, upto: int | None) -> Stop:
    """End the turn: messages that the last attempt had read are given up, later ones open a new turn."""
    if upto is not None:
        return Stop(reason, upto, text)
    if state.model_starts:
        return Stop(reason, state.model_starts[-1], text)
    entry = state.batch.entry if state.batch else None
    return Stop(reason, entry.upto if isinstance(entry, Replied) and entry.calls else state.head, text)
