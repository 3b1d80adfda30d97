"""Which open question of a chat a message answers."""

from __future__ import annotations

from collections.abc import Sequence

from bridge_mcp.core.choices import chosen
from bridge_mcp.core.projections import Message
from bridge_mcp.ports import Incoming

__all__ = ["answer_of"]


def answer_of(asked: Sequence[Message], incoming: Incoming, *, replied: bool) -> tuple[int, str] | None:
    """Which of these open questions a message answers, and the answer; None if it answers none, or is ambiguous.

    In a group people talk to each other: only a reply, or a message to the bot itself, is an answer there. A choice
    answers the question that offers it, in the spelling there; any other text answers a question without choices, or
    the one it replies to. Between several questions nothing is guessed.
    """
    ours = is_said_to_us(incoming) if incoming.group else incoming.addressed
    if not replied and not ours:
        return None
    text = incoming.bare or incoming.text
    able: list[tuple[int, str]] = []
    for message in asked:
        choices = message.question.choices if message.question is not None else ()
        choice = chosen(choices, text) if choices else text
        if choice is not None or replied:
            able.append((message.seq, text if choice is None else choice))
    several_free = len(asked) > 1 and any(
        message.question is not None and not message.question.choices for message in asked
    )
    return able[0] if len(able) == 1 and not several_free else None


def is_said_to_us(incoming: Incoming) -> bool:
    """Whether a message of a group is a person's own message to the bot."""
    return incoming.addressed and incoming.sender.kind == "person" and not incoming.forwarded_from
