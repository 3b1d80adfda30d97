"""How people spell commands: with capitals, a full stop, a space in front, a typo. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

__all__ = ["command_words", "lone_name", "nearest", "single_word"]

SLASHES = "/\uff0f"
"""The second one is what a keyboard for Chinese or Japanese gives."""
BACKSLASH = "\\"
ENDS = ".,;:!?…。！？，、；："
"""Punctuation behind a command that means nothing."""
NAME = re.compile(r"\w{3,}")
SHORT = 5
"""Letters of a name up to which one typo makes it another word."""


def command_words(text: str, names: Collection[str]) -> tuple[str, ...]:
    """The words of a command, its plain name first; none where the text does not begin with one, slash included."""
    words = seen(text).split()
    if not words or words[0][0] not in SLASHES:
        return ()
    name = plain(words[0][1:])
    return (name, *words[1:]) if name in names else ()


def nearest(text: str, names: Collection[str]) -> str:
    """The command that a text which is none begins with, but for a typo; "" for none.

    A typo is a letter too many, missing, wrong or swapped (two in a longer name), a space behind the slash, or another
    sign in its place. What is addressed to another bot (`/start@other_bot`), or is a path, is no typo.
    """
    words = seen(text).split()
    marks = SLASHES + BACKSLASH
    if not words or words[0][0] not in marks:
        return ""
    name = plain(words[0].lstrip(marks) or (words[1] if len(words) > 1 else ""))
    if not NAME.fullmatch(name):
        return ""
    close = sorted((typos(name, each), each) for each in names)
    count, found = close[0]
    return found if count <= (1 if min(len(name), len(found)) <= SHORT else 2) else ""


def single_word(text: str) -> str:
    """The text as the plain name of a command, slash or not; the name of none where it has several words."""
    return plain(seen(text).strip().lstrip(SLASHES))


def lone_name(text: str) -> str:
    """The name in a text that is a slash and one word in the form of a command, and nothing else; "" for others."""
    words = seen(text).split()
    if len(words) != 1 or words[0][0] not in SLASHES:
        return ""
    name = plain(words[0][1:])
    return name if name.isascii() and NAME.fullmatch(name) else ""


def seen(text: str) -> str:
    """Without what cannot be seen: keyboards and copied texts bring it along."""
    if text.isascii():
        return text
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


def plain(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold().rstrip(ENDS)


def typos(one: str, other: str) -> int:
    """How many letters have to be put in, taken out, changed or swapped with their neighbour (OSA distance)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, char in enumerate(one, 1):
        two_before, before = before, row
        row = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (char != wanted))
            if i > 1 and j > 1 and char == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, two_before[j - 2] + 1)
            row.append(cost)
    return row[-1]
