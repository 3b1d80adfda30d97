"""The answer to a question, as a log tells it: its first message, what continues that, and what an edit made of it."""

from __future__ import annotations

from dataclasses import dataclass

from bridge_mcp.core.entries import Edited, Heard, Log
from bridge_mcp.core.gathering import asks_at

__all__ = ["Answer", "answer_in"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer."""

    seq: int
    """Of its first message."""
    text: str
    settled_at: float
    """From when on nothing more of it comes, in epoch seconds."""


def answer_in(log: Log, question: int) -> Answer | None:
    """The answer to the question at this seq; None where there is none yet. Later answers do not count."""
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
