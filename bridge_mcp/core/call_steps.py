"""The part of `decide` for calls: the next step of a batch."""

from __future__ import annotations

from collections.abc import Set

from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import (
    Asked,
    Call,
    External,
    Judged,
    Reminded,
)
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.external_calls import hand_over, step_of_caller, with_looks
from bridge_mcp.core.gathering import LONGEST_S
from bridge_mcp.core.policy import REVIEWER, Free, NeedsVerdict, Policy, Refuse, by_command_line
from bridge_mcp.core.state import CallState, State
from bridge_mcp.core.steps import Ask, Escalate, Judge, Remind, Review, Run, Settle, Step, Wait
from bridge_mcp.core.tools import call_digest, parse_arguments

__all__ = ["step_of_calls"]

UNKNOWN = (
    "Outcome unknown: the call was begun and then interrupted, and nobody can say whether it took effect. "
    "It was not run again. Check before you repeat it."
)
A_DAY_S = 24 * 3600.0
TELL_S = 5.0
"""How long an approved call waits for its tool before people are told."""

NO_CLI = (
    "Not run: it was approved on the command line, or in a console it opened, and the owner takes no verdicts there."
)
CHANGED = "Not run: the tool's definition changed after the call was approved. Ask for it again."


LOST = "its review was interrupted"
OVERRULED = "it said “{says}”, and what decides has changed since"


def cut_off(finish: str) -> str:
    """The result of each call of an incomplete answer, for the model."""
    reason = "at its limit of tokens" if finish == "length" else f"({finish})"
    return (
        f"Not run: your answer was cut off {reason}, and a call in it may not be what you meant. Nothing has happened. "
        "Make the call again, in a shorter answer."
    )


def step_of_calls(
    state: State, policy: Policy, now: float, running: Set[str], reviewing: Set[str] = frozenset()
) -> Step | None:
    """The next step of the batch's calls; None if every one has its outcome."""
    calls = state.calls
    if not calls:
        return None
    if state.cut_off:
        unfinished = (call for call in calls if not state.fates[call.id].finished)
        return next((Settle(call, "error", cut_off(state.cut_off)) for call in unfinished), None)
    if state.external is not None:
        return step_of_external(state, state.external, policy, now, running, reviewing)
    steps = [step_of_call(call, state.fates[call.id], policy, now, running, reviewing) for call in calls]
    closing = [step for step in steps if isinstance(step, Settle)] or [s for s in steps if isinstance(s, Judge)]
    if closing:
        return closing[0]
    ask = tuple(asked for step in steps if isinstance(step, Ask) for asked in step.calls)
    if ask:
        return Ask(ask)
    looks = [step for step in steps if isinstance(step, Escalate)] or [s for s in steps if isinstance(s, Review)]
    if looks:
        return looks[0]
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


def step_of_external(
    state: State, external: External, policy: Policy, now: float, running: Set[str], reviewing: Set[str]
) -> Step | None:
    """The next step of an external call, which is the only one in its batch."""
    (call,), asked_at = state.calls, state.batch.at if state.batch else now
    fate = state.fates[call.id]
    if fate.finished:
        return None
    caller_step = step_of_caller(call, fate, external, policy, now)
    if caller_step is not None:
        return caller_step
    match step_of_call(call, fate, policy, now, running, reviewing):
        case Run() as run:
            return hand_over(run, fate, external, asked_at, now)
        case Wait() as wait:
            return with_looks(wait, external, now)
        case step:
            return step


def step_of_call(
    call: Call, fate: CallState, policy: Policy, now: float, running: Set[str], reviewing: Set[str]
) -> Settle | Judge | Ask | Review | Escalate | Run | Remind | Wait | None:
    """The next step of one call; None if it has its outcome."""
    if fate.finished:
        return None
    if call.id in running:
        return Wait(None)
    if fate.question is not None:
        return step_of_question(call, fate, now)
    if fate.begun and (not fate.repeatable or fate.begun >= policy.budget.attempts):
        return Settle(call, "unknown", UNKNOWN)
    if fate.judged is not None:
        return step_of_verdict(call, fate, fate.judged, policy, now)
    if fate.asked is not None and call.tool not in policy.tools:
        if withdrawn := policy.withdrawn(fate.asked.server, call.tool):
            return Settle(call, "error", withdrawn)
        return step_of_waiting(call, fate, fate.asked, policy, now, reviewing)
    return step_of_gate(call, fate, policy, now, reviewing)


def step_of_gate(
    call: Call, fate: CallState, policy: Policy, now: float, reviewing: Set[str]
) -> Settle | Judge | Ask | Review | Escalate | Run | Remind | Wait:
    """What the gate says of a call without a verdict; also for one begun before: its tool may have changed."""
    match policy.gate(call, now):
        case Refuse(because):
            return Settle(call, "error", because)
        case Free(because):
            because = "repeatable" if fate.begun else because
            if fate.asked is None:
                return Run(((call, call.arguments, because),))
            # A call with a quorum still needs it, and one whose time is over has lapsed, whatever was granted or
            # configured since.
            several, expired = fate.asked.quorum > 1, is_expired(fate.asked, now)
            if several or expired:
                return step_of_waiting(call, fate, fate.asked, policy, now, reviewing)
            return Judge(call, "approved", because)
        case NeedsVerdict(because):
            if fate.asked is None:
                return Ask(((call, because),))
            return step_of_waiting(call, fate, fate.asked, policy, now, reviewing)


def step_of_question(call: Call, fate: CallState, now: float) -> Settle | Wait:
    """The next step of a call whose result is people's answer: it waits in the log, not as a task."""
    if fate.answer is not None:
        may_grow = now < fate.answered_at <= now + LONGEST_S
        return Wait(fate.answered_at) if may_grow else Settle(call, "ok", fate.answer)
    if fate.ends_at and now >= fate.ends_at:
        return Settle(call, "expired", "Nobody answered in time.")
    return Wait(fate.ends_at or None)


def step_of_waiting(
    call: Call, fate: CallState, asked: Asked, policy: Policy, now: float, reviewing: Set[str]
) -> Judge | Review | Escalate | Remind | Wait:
    """What an asked call asks for: an end, its reviewer, a reminder, or patience until the next of those."""
    if is_expired(asked, now):
        return Judge(call, "expired", "bridge")
    if asked.reviewer:
        look = step_of_review(call, fate, asked, policy, reviewing)
        if look is not None:
            return look
    escalate_at = asked.escalate_at if asked.escalate_to and not fate.escalated else 0.0
    if escalate_at and now >= escalate_at:
        return Remind(call, asked, Reminded(call.id, 1, "escalation", to=asked.escalate_to, digest=asked.digest))
    remind_at = fate.told_at + asked.remind_s if asked.remind_s > 0 else 0.0
    to = asked.escalate_to if fate.escalated else asked.route
    if remind_at and (quiet := policy.quiet.get(Address.of(to or policy.conversation).channel, 0.0)) > remind_at:
        remind_at = quiet
    if remind_at and now >= remind_at:
        return Remind(call, asked, Reminded(call.id, fate.reminders + 1, "reminder", to=to, digest=asked.digest))
    ahead = [at for at in (asked.expires_at, escalate_at, remind_at) if at]
    return Wait(min(ahead, default=None))


def is_expired(asked: Asked, now: float) -> bool:
    """Whether the time for a verdict is over."""
    return bool(asked.expires_at) and now >= asked.expires_at


def step_of_review(
    call: Call, fate: CallState, asked: Asked, policy: Policy, reviewing: Set[str]
) -> Judge | Review | Escalate | Wait | None:
    """What a call asks for that a reviewer looks at before people do; None once it is for people to decide.

    Its word decides only where that was so when the call was asked about, and still is.
    """
    barred, opinion = policy.no_review(call, asked), fate.reviewed
    reviewer = policy.reviewer(call)
    if opinion is None:
        if call.id in reviewing:
            return Wait(asked.expires_at or None)
        if fate.review_begun:
            return Escalate(call, asked.digest, LOST)
        return Escalate(call, asked.digest, barred) if barred or reviewer is None else Review(call, asked, reviewer)
    if opinion.says == "escalate" or asked.reviewer_may != "approve":
        return None
    if barred or reviewer is None or reviewer.may != "approve" or asked.quorum > 1:
        return Escalate(call, asked.digest, OVERRULED.format(says=opinion.says))
    verdict = "approved" if opinion.says == "approve" else "rejected"
    return Judge(call, verdict, REVIEWER, digest=asked.digest, note=opinion.reason, via=REVIEWER)


def step_of_verdict(
    call: Call, fate: CallState, judged: Judged, policy: Policy, now: float
) -> Settle | Run | Remind | Wait:
    """The next step of a call with a verdict. An approval holds for exactly the call and the tool it was given for."""
    if judged.verdict == "approved" and fate.asked is not None and len(fate.voters) < fate.asked.quorum > 1:
        return Settle(call, "denied", f"Not run: it takes {fate.asked.quorum} approvers, and fewer said yes.")
    match judged.verdict:
        case "approved" if by_command_line(judged.via, judged.by) and not policy.cli:
            return Settle(call, "denied", NO_CLI)
        case "approved":
            arguments = call.arguments if judged.arguments is None else judged.arguments
            if fate.asked is not None and not policy.reaches(fate.asked.server, call.tool):
                return step_without_tool(call, fate, fate.asked, policy, now)
            spec = policy.tools.get(call.tool)
            if spec is None:
                return Settle(call, "error", f"The tool '{call.tool}' was approved but is no longer there.")
            try:
                unchanged = not judged.digest or call_digest(spec, parse_arguments(arguments)) == judged.digest
            except BadInput as exc:
                return Settle(call, "error", str(exc))
            return Run(((call, arguments, "verdict"),)) if unchanged else Settle(call, "denied", CHANGED)
        case "rejected":
            reason = f": {judged.note}" if judged.note else "."
            return Settle(call, "denied", f"Not run: it was rejected{reason}")
        case "expired":
            return Settle(call, "expired", "Not run: nobody approved it in time.")
        case "cancelled":
            return Settle(call, "stopped", "Not run: the turn was stopped.")


def step_without_tool(call: Call, fate: CallState, asked: Asked, policy: Policy, now: float) -> Settle | Remind | Wait:
    """The next step of an approved call whose tool is missing: it waits as long as people had for the verdict."""
    if withdrawn := policy.withdrawn(asked.server, call.tool):
        return Settle(call, "error", withdrawn)
    until = fate.judged_at + (asked.expires_at - fate.asked_at if asked.expires_at else A_DAY_S)
    if now >= until:
        return Settle(call, "expired", f"Not run: it was approved, but '{call.tool}' did not come back in time.")
    tell_at = fate.judged_at + TELL_S
    if fate.told_of_tool or tell_at >= until:
        return Wait(until)
    if now < tell_at:
        return Wait(tell_at)
    return Remind(call, asked, Reminded(call.id, 1, "tool", to=asked.route, digest=asked.digest))
