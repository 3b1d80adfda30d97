"""Rounds in vain: how often in a row a model asked for calls of which not one could be made.

A call with broken JSON, of a tool that is not there, or with arguments that break its schema is answered with what to
mend. A model that does not mend it would go on until its budget is spent; this counts how patient the bridge has been.
"""

from __future__ import annotations

from collections.abc import Iterable

from bridge_mcp.core.entries import Asked, Finished, Logged, Replied, Started

__all__ = ["rounds_in_vain"]


def rounds_in_vain(log: Iterable[Logged], turn: int) -> tuple[int, str]:
    """How many of the last rounds of a turn were in vain, and what the last of their calls was refused with."""
    count, why = 0, ""
    refused: dict[str, str] = {}
    open_calls: set[str] = set()
    for logged in log:
        match logged.entry:
            case Replied(turn=of, calls=calls) if of == turn:
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
                    count, why = count + 1, content
            case _:
                pass
    return count, why
