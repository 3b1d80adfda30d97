"""A circuit breaker: counts the rounds in a row in which none of a model's calls could be made.

A call with broken JSON, of an unknown tool, or with arguments that violate its schema gets an error that says what to
mend. A model that does not mend it would go on until its budget is spent.
"""

from __future__ import annotations

from collections.abc import Iterable

from bridge_mcp.core.entries import Asked, Finished, Logged, Replied, Started

__all__ = ["failed_rounds"]


def failed_rounds(log: Iterable[Logged], turn: int) -> tuple[int, str]:
    """The number of failed rounds at the end of a turn, and the error of their last call."""
    count, reason = 0, ""
    refused: dict[str, str] = {}
    open_calls: set[str] = set()
    for logged in log:
        match logged.entry:
            case Replied(turn=replied_turn, calls=calls) if replied_turn == turn:
                open_calls, refused = {call.id for call in calls}, {}
            case Started(call=call) | Asked(call=call) if call in open_calls:
                count = 0
                open_calls.clear()
            case Finished(call=call, outcome=outcome, content=content) if call in open_calls:
                if outcome != "error":
                    count = 0
                    open_calls.clear()
                    continue
                refused[call] = content
                if refused.keys() == open_calls:
                    count, reason = count + 1, content
            case _:
                pass
    return count, reason
