"""How people spell commands: with capitals, a full stop, a space in front, a typo. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

__all__ = ["command_words", "lone_name", "nearest", "single_word"]

SLASHES = "/\uff0f"
"""The second one is typed by keyboards for Chinese and Japanese."""
BACKSLASH = "\\"
ENDS = ".,;:!?…。！？，、；："
"""Punctuation after a command that is ignored."""
NAME = re.compile(r"\w{3,}")
SHORT = 5
"""Letters of a short name, of which one typo makes another word."""


def command_words(text: str, names: Collection[str]) -> tuple[str, ...]:
    """The words of a command, its plain name first; none if the text does not begin with one, slash included."""
    words = without_invisible(text).split()
    if not words or words[0][0] not in SLASHES:
        return ()
    name = plain(words[0][1:])
    return (name, *words[1:]) if name in names else ()


def nearest(text: str, names: Collection[str]) -> str:
    """The command that a text begins with, misspelled; "" for none.

    A typo is an extra, missing, wrong or swapped letter (two in a longer name), a space after the slash, or another
    sign in its place. A command for another bot (`/start@other_bot`) and a path are no typos.
    """
    words = without_invisible(text).split()
    marks = SLASHES + BACKSLASH
    if not words or words[0][0] not in marks:
        return ""
    name = plain(words[0].lstrip(marks) or (words[1] if len(words) > 1 else ""))
    if not NAME.fullmatch(name):
        return ""
    close = sorted((typos(name, candidate), candidate) for candidate in names)
    count, command = close[0]
    return command if count <= (1 if min(len(name), len(command)) <= SHORT else 2) else ""


def single_word(text: str) -> str:
    """The text as the plain name of a command, with or without slash; no command's name if it has several words."""
    return plain(without_invisible(text).strip().lstrip(SLASHES))


def lone_name(text: str) -> str:
    """The name in a text that is one word with a slash in the form of a command; "" for others."""
    words = without_invisible(text).split()
    if len(words) != 1 or words[0][0] not in SLASHES:
        return ""
    name = plain(words[0][1:])
    return name if name.isascii() and NAME.fullmatch(name) else ""


def without_invisible(text: str) -> str:
    """The text without invisible characters, which keyboards and copied texts bring along."""
    if text.isascii():
        return text
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


def plain(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold().rstrip(ENDS)


def typos(word: str, other: str) -> int:
    """The number of insertions, deletions, changes and swaps of neighbours (OSA distance)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, char in enumerate(word, 1):
        two_before, before = before, row
        row = [i]
        for j, letter in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (char != letter))
            if i > 1 and j > 1 and char == other[j - 2] and word[i - 2] == letter:
                cost = min(cost, two_before[j - 2] + 1)
            row.append(cost)
    return row[-1]
