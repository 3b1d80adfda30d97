"""The budget of a turn: what it has used, and whether it may go on."""

from __future__ import annotations

from collections.abc import Iterator

from bridge_mcp.core.entries import (
    Failed,
    Finished,
    Log,
    Replied,
    Started,
    Summarised,
)
from bridge_mcp.core.policy import Budget

__all__ = ["budget_spent", "work_seconds"]


def budget_spent(log: Log, turn: int, budget: Budget) -> str:
    """Why this turn may not go on; "" if it may."""
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
    """Begin and end of every completed effect of a turn; effects begun before the turn are ignored."""
    begun: dict[str, float] = {}
    opened = False
    for logged in log:
        opened = opened or (isinstance(logged.entry, Started) and logged.entry.turn == turn)
        if not opened:
            continue
        match logged.entry:
            case Started(effect="model" | "summary"):
                begun[f"model:{logged.seq}"] = logged.at
            case Started(effect="tool", call=call):
                begun[call] = logged.at
            case Replied() as entry:
                yield begun.get(f"model:{entry.started}", logged.at), logged.at
            case Summarised(ref=ref) | Failed(effect="model" | "summary", ref=ref):
                yield begun.get(f"model:{ref}", logged.at), logged.at
            case Finished(call=call):
                yield begun.get(call, logged.at), logged.at
            case _:
                pass
