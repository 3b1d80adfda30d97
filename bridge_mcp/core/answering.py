"""Reads the answer to a question from a log: its first message, its continuations, and later edits."""

from __future__ import annotations

from msgspec import Struct

from bridge_mcp.core.entries import Edited, Heard, Log
from bridge_mcp.core.gathering import asks_at

__all__ = ["Answer", "answer_in"]


class Answer(Struct, frozen=True):
    """An answer, of one message or several."""

    seq: int
    """The seq of its first message."""
    text: str
    settled_at: float
    """When it is complete, in epoch seconds."""


def answer_in(log: Log, question: int) -> Answer | None:
    """The first answer to the question at this seq; None if there is none yet."""
    parts: dict[int, str] = {}
    first: int | None = None
    settled_at = 0.0
    for logged in log:
        match logged.entry:
            case Heard(answers=answers, continues=continues) as heard if answers == question:
                if first is None or continues in parts:
                    first = logged.seq if first is None else first
                    parts[logged.seq] = heard.text
                    settled_at = asks_at(logged, heard)
            case Edited(message=message, text=text) if message in parts:
                parts[message] = text
            case _:
                pass
    if first is None:
        return None
    return Answer(first, "\n".join(filter(None, parts.values())), settled_at)
