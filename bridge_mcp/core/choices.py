"""Matches a text with the choices of a question, whatever its capitals, spaces and punctuation."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

__all__ = ["chosen"]

ENDS = ".,;:!?…。！？，、；： \"'“”„«»"


def chosen(choices: Sequence[str], text: str) -> str | None:
    """The choice in its own spelling; None if the text matches none, or is ambiguous."""
    answer = text.strip()
    if answer in choices:
        return answer
    for alike in (str.casefold, squeezed):
        matching = [choice for choice in choices if alike(choice.strip()) == alike(answer)]
        if matching and len({choice.strip() for choice in matching}) == 1:
            return matching[0]
    return None


def squeezed(text: str) -> str:
    """The text case-folded, normalised (NFKC), without extra spaces and punctuation around it."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(ENDS)
