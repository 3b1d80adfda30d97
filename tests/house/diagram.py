"""Draws the state diagram of a conversation by asking `decide`, not by hand: `python -m tests.house.diagram`.

A state is the kind of the next step. From each log reached, everything that can happen is appended (what the executor
does for that step, and what the outside may do meanwhile), and the step after it is looked up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec.structs import replace

from bridge_mcp.core.approval_settings import Reviewer
from bridge_mcp.core.decide import decide
from bridge_mcp.core.entries import (
    Asked,
    Call,
    Entry,
    External,
    Failed,
    Finished,
    Heard,
    Judged,
    Logged,
    Replied,
    Requested,
    Reviewed,
    Sender,
    Started,
    Stopped,
    Summarised,
    call_id,
)
from bridge_mcp.core.evidence import closing_entries
from bridge_mcp.core.external_calls import external_tool
from bridge_mcp.core.policy import Budget, Policy, ToolRule
from bridge_mcp.core.state import open_calls
from bridge_mcp.core.steps import (
    Ask,
    CallModel,
    Cut,
    Escalate,
    HandOver,
    Idle,
    Judge,
    Remind,
    Review,
    Ring,
    Run,
    Settle,
    Stop,
    Summarise,
    Wait,
)
from bridge_mcp.core.tools import ToolSpec, call_digest

TOOLS = {
    "t__read": ToolSpec("t__read", "t", "read", description="", schema="{}", read_only=True),
    "t__act": ToolSpec("t__act", "t", "act", description="", schema="{}"),
    "t__judge": ToolSpec("t__judge", "t", "judge", description="", schema="{}"),
}
"""One that is free, one that asks people, and one that asks a reviewer first."""
REVIEWED = ToolRule("t__judge", {"review": Reviewer("small", "policy.md", "approve")})
POLICY = Policy("c/1", TOOLS, budget=Budget(model_calls=3, attempts=2), rules=(REVIEWED,))

DOORS = (
    External("hook:agent", "look", read_only=True, caller="p"),
    External("hook:agent", "act", caller="p", lapses=True),
)
"""Of calls that their caller runs: one that is free, and one that asks people."""
OF_DOORS = {spec.name: spec for spec in map(external_tool, DOORS)}
OF_CALLERS = Policy("calls/1", OF_DOORS, callers=frozenset({"p"}))

TOO_LONG = "the past does not fit"

GONE = "its caller is gone"
LEAVES, RETURNS, CHANGES = "its tool leaves", "its tool comes back", "its tool becomes another"
WITHDRAWN = "the config drops its tool"
TOOL_MOVES = {
    LEAVES: replace(POLICY, tools={"t__read": TOOLS["t__read"]}),
    RETURNS: POLICY,
    CHANGES: replace(POLICY, tools=TOOLS | {"t__act": replace(TOOLS["t__act"], description="Acts otherwise.")}),
    WITHDRAWN: replace(POLICY, tools={"t__read": TOOLS["t__read"]}, sources={}),
}
"""What may become of the tool of a call that waits, and the policy from then on."""

OPINIONS: tuple[Literal["approve", "reject", "escalate"], ...] = ("approve", "reject", "escalate")

Move = tuple[str, tuple[Entry, ...], float]
"""What happens, the entries it appends, and how far the clock moves on."""


def moves(log: list[Logged], now: float, policy: Policy) -> Iterator[Move]:
    """Everything that can happen to a conversation in this state."""
    head = len(log)
    match decide(log, policy, now):
        case Ring():  # of logs that hold nothing but a reminder
            return
        case HandOver() as step:
            yield from claims(step, now)
        case Settle() | Judge() | Escalate() | Remind() as step:
            yield noted(step, log)
        case Ask() | Review() | Run() as step:
            yield from call_moves(step, head, now)
        case CallModel() | Summarise() | Cut() as step:
            yield from model_moves(step, head, now)
        case Stop(reason, upto):
            yield "Stopped", (Stopped(reason, upto),), 0
        case Wait(until):
            yield from verdicts(log)
            if policy.callers is not None:
                yield from caller_moves(log, policy)
            elif open_calls(log):
                yield from tool_moves(policy)
            if until is not None:
                yield "time passes", (), until - now + 1
        case Idle():
            yield "Heard", (Heard("hi", Sender("7"), f"m{head}"),), 0


def verdicts(log: list[Logged]) -> Iterator[Move]:
    """What people may do about the calls that wait."""
    asked = [logged.entry for logged in log if isinstance(logged.entry, Asked)]
    closed = {logged.entry.call for logged in log if isinstance(logged.entry, Judged)}
    for each in (each for each in asked if each.call not in closed):
        yield "Judged (approved)", (Judged(each.call, "approved", "ann", digest=each.digest),), 0
        yield "Judged (rejected)", (Judged(each.call, "rejected", "ann"),), 0
        yield "stop", (Judged(each.call, "cancelled", "ann"), Stopped("by request", len(log), "ann")), 0


def call_moves(step: Ask | Review | Run, head: int, now: float) -> Iterator[Move]:
    """Everything that can happen when calls are asked about, reviewed or run."""
    match step:
        case Ask(calls):
            asked = tuple(
                Asked(
                    c.id,
                    "t",
                    c.tool,
                    arguments=c.arguments,
                    digest=digest_of(c.tool),
                    expires_at=now + 600,
                    remind_s=400.0 * (head < 4),
                    reviewer="small" if c.tool == "t__judge" else "",
                    reviewer_may="approve",
                )
                for c, _ in calls
            )
            yield "Asked", asked, 0
        case Review(call):
            begun = Started("review", call=call.id)
            for says in OPINIONS:
                yield f"Started, Reviewed ({says})", (begun, Reviewed(call.id, says)), 0
            yield "Started, crash", (begun,), 0
        case Run(calls):
            started = tuple(Started("tool", call=c.id, repeatable=TOOLS[c.tool].repeatable) for c, _, _ in calls)
            yield "Started, Finished", (*started, *(Finished(c.id, "ok", "") for c, _, _ in calls)), 0
            yield "Started, crash", started, 0


def digest_of(tool: str) -> str:
    """Of a call without arguments."""
    return call_digest((TOOLS | OF_DOORS)[tool], {})


def tool_moves(policy: Policy) -> Iterator[Move]:
    """What may become of the tool of a call that waits."""
    if "t__act" in policy.tools:
        yield LEAVES, (), 0
    elif policy.sources is None:
        for label in (RETURNS, CHANGES, WITHDRAWN):
            yield label, (), 0


def claims(step: HandOver, now: float) -> Iterator[Move]:
    """What becomes of a call that its caller may run."""
    ((call, arguments, because),) = step.calls
    yield "Started by its caller", (Started("tool", -1, call.id, call.tool, arguments, because, runner="p"),), 0
    yield "time passes", (), step.until - now + 1


def caller_moves(log: list[Logged], policy: Policy) -> Iterator[Move]:
    """What a caller may do about its call while the engine waits."""
    begun = [logged.entry for logged in log if isinstance(logged.entry, Started)]
    if policy.callers and begun:
        yield "Finished by its caller", (Finished(begun[0].call, "ok", ""),), 0
    if policy.callers:
        yield GONE, (), 0


def noted(step: Settle | Judge | Escalate | Remind, log: list[Logged]) -> Move:
    """A step that does nothing but write down."""
    match step:
        case Settle(call, outcome, content):
            return f"Finished ({outcome})", closing_entries(log, Finished(call.id, outcome, content)), 0
        case Judge(call, verdict, by):
            return f"Judged ({verdict})", (Judged(call.id, verdict, by, digest=step.digest),), 0
        case Escalate(call, digest, reason):
            return "Reviewed (escalate)", (Reviewed(call.id, "escalate", reason, digest=digest),), 0
        case Remind(reminded=reminded):
            return "Reminded", (reminded,), 0


def model_moves(step: CallModel | Summarise | Cut, head: int, now: float) -> Iterator[Move]:
    """Everything that can happen when the model is to be asked."""
    match step:
        case CallModel(turn):
            start = Started("model", turn=turn)
            for name in ("t__read", "t__act", *(("t__judge",) if head < 3 else ())):
                call = Call(call_id(head, 0), name, "{}")
                yield "Replied with calls", (start, Replied("", (call,), head, turn=turn)), 0
            yield "Replied", (start, Replied("text", (), head, turn=turn)), 0
            meanwhile = Heard("and this", Sender("7"), f"m{head}")
            yield "Heard, Replied", (start, meanwhile, Replied("text", (), head, turn=turn)), 0
            yield "Heard, failed for good", (start, meanwhile, Failed("model", head, "bad key")), 0
            yield "Failed, retry later", (start, Failed("model", head, "busy", retry_at=now + 5)), 0
            yield "Failed for good", (start, Failed("model", head, "bad key")), 0
            yield "Started, crash", (start,), 0
            yield TOO_LONG, (), 0
        case Summarise(turn, upto):
            start = Started("summary", turn=turn)
            yield "Summarised", (start, Summarised("in short", upto, head)), 0
            yield "Summary failed", (start, Failed("summary", head, "busy")), 0
            yield "Started, crash", (start,), 0
        case Cut(upto):
            yield "Summarised", (Summarised("", upto),), 0


Reached = tuple[list[Logged], float, Policy]


def transitions() -> set[tuple[str, str, str]]:
    """Every (step, what happens, next step) that can be reached."""
    found = walked([([], 0.0, POLICY)], 9)
    for external in DOORS:
        spec = external_tool(external)
        asked = Requested((Call(call_id(0, 0), spec.name, "{}"),), external.server, external=external)
        log = [Logged(0, 0.0, asked)]
        found.add(("Idle", "Requested by its caller", type(decide(log, OF_CALLERS, 0.0)).__name__))
        found |= walked([(log, 0.0, OF_CALLERS)], 9)
    return found


def walked(frontier: list[Reached], depth: int) -> set[tuple[str, str, str]]:
    """Those that can be reached from here in so many moves."""
    found: set[tuple[str, str, str]] = set()
    for _ in range(depth):
        following: list[Reached] = []
        for log, now, policy in frontier:
            before = type(decide(log, policy, now)).__name__
            if before == "Idle" and policy.callers is not None:
                continue  # such a log holds that call alone
            for label, entries, passed in moves(log, now, policy):
                longer = [*log, *(Logged(len(log) + n, now, entry) for n, entry in enumerate(entries))]
                measured = policy_after(label, policy, len(log))
                after = type(decide(longer, measured, now + passed)).__name__
                found.add((before, label, after))
                following.append((longer, now + passed, measured))
        frontier = following[:4000]
    return found


def policy_after(label: str, policy: Policy, head: int) -> Policy:
    """The policy from then on. What the executor has measured holds until it was dealt with; then it measures anew."""
    if label == GONE:
        return replace(policy, callers=frozenset())
    if label in TOOL_MOVES:
        return TOOL_MOVES[label]
    if label == TOO_LONG:
        return replace(policy, cut=head)
    return policy if label in ("Started, crash", "Summary failed") else replace(policy, cut=None)


def mermaid() -> str:
    """The diagram, as a Mermaid state diagram."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for before, label, after in sorted(transitions()):
        arrows.setdefault((before, after), []).append(label)
    lines = ["stateDiagram-v2", "    [*] --> Idle"]
    lines += [f"    {before} --> {after}: {' / '.join(labels)}" for (before, after), labels in sorted(arrows.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    import sys

    sys.stdout.write(mermaid() + "\n")
