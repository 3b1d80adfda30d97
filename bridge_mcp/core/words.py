"""The words of a text, as every store's full-text index takes them, and what of them a query asks for.

A text is cut into units: a word of letters and digits, or one character of a script that puts no spaces between words.
What is written alike is one word: upper and lower case, with or without accents, wide and narrow characters. The index
holds each word as a term, and of unspaced scripts each pair of neighbours and the last character of a run: a query of
two characters is one term, and a query of one is the beginning of a term. Terms know no places: where a query's word
has several units, `holds` looks at the text whether they stand side by side.
"""

from __future__ import annotations

import re
import unicodedata

from msgspec import Struct

__all__ = ["Query", "Term", "holds", "parse_query", "terms"]

UNSPACED = (
    "\u3005-\u3007\u3021-\u3029\u3041-\u3096\u309d-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
"""Characters of Chinese, Japanese and Korean: words have no spaces between them, or endings that stick to them."""

UNITS = re.compile(f"[{UNSPACED}]+|(?:(?![{UNSPACED}])[^\\W_])+")
"""A run of an unspaced script, or a word."""

ASCII_WORD = re.compile("[0-9a-z]+")

STARTS_UNSPACED = re.compile(f"[{UNSPACED}]")

ACCENTS = re.compile("[\u0300-\u036f]+")

MAX_TERM = 100
"""Characters of a term; a longer word is found by its beginning, and `holds` looks at the rest."""

MAX_BYTES = 400_000
"""Bytes of all terms of one text: what comes after that in it is not found."""


class Term(Struct, frozen=True):
    """A term that the index must have for a text."""

    text: str
    prefix: bool = False
    """Whether any term that begins with it will do."""


class Query(Struct, frozen=True):
    """What a query asks for: all of it."""

    terms: tuple[Term, ...]
    phrases: tuple[tuple[str, ...], ...]
    """Units that must stand side by side; empty where the terms say it all."""


def fold(text: str) -> str:
    """The text as it is compared."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", ACCENTS.sub("", plain))


def runs(text: str) -> list[str]:
    """The words and the unspaced runs of a text, in order."""
    plain = fold(text)
    return ASCII_WORD.findall(plain) if plain.isascii() else UNITS.findall(plain)


def terms(text: str) -> list[str]:
    """The terms of a text for the index, each once."""
    if text.isascii() and len(text) <= MAX_BYTES:
        return list(dict.fromkeys([word[:MAX_TERM] for word in ASCII_WORD.findall(text.lower())]))
    distinct: dict[str, None] = {}
    room = MAX_BYTES
    for run in runs(text):
        is_word = STARTS_UNSPACED.match(run) is None
        for term in [run[:MAX_TERM]] if is_word else [run[at : at + 2] for at in range(len(run))]:
            if term not in distinct:
                room -= len(term.encode())
                if room < 0:
                    return list(distinct)
                distinct[term] = None
    return list(distinct)


def units(text: str) -> list[str]:
    """The words of a text, and its unspaced characters, in order."""
    pieces: list[str] = []
    for run in runs(text):
        if STARTS_UNSPACED.match(run) is None:
            pieces.append(run)
        else:
            pieces += run
    return pieces


def parse_query(query: str) -> Query | None:
    """What a query asks for; None where it has no word. Between blanks, all that is said must stand side by side."""
    terms: dict[Term, None] = {}
    phrases: dict[tuple[str, ...], None] = {}
    for word in query.split():
        pieces = runs(word)
        for run in pieces:
            if STARTS_UNSPACED.match(run) is None:
                terms[Term(run[:MAX_TERM])] = None
            elif len(run) == 1:
                terms[Term(run, prefix=True)] = None
            else:
                terms.update((Term(run[at : at + 2]), None) for at in range(len(run) - 1))
        if len(pieces) > 1 or any(len(run) > (2 if STARTS_UNSPACED.match(run) else MAX_TERM) for run in pieces):
            phrases[tuple(units(word))] = None
    return Query(tuple(terms), tuple(phrases)) if terms else None


def holds(text: str, phrases: tuple[tuple[str, ...], ...]) -> bool:
    """Whether the units of each phrase stand side by side somewhere in the text."""
    if not phrases:
        return True
    all_units = units(text)
    return all(stands_in(phrase, all_units) for phrase in phrases)


def stands_in(phrase: tuple[str, ...], within: list[str]) -> bool:
    """Whether these units follow each other there."""
    first, count = phrase[0], len(phrase)
    return any(
        unit == first and tuple(within[at : at + count]) == phrase
        for at, unit in enumerate(within[: 1 - count or None])
    )
