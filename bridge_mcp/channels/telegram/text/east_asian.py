"""Emphasis beside the punctuation of East Asian scripts, which CommonMark does not recognise.

`**重要：**请` is bold to whoever wrote it, but the closing stars stand between punctuation and a letter, and so end
nothing (https://spec.commonmark.org/0.31.2/#left-flanking-delimiter-run takes words to be divided by spaces).
An invisible character between the punctuation and the stars makes them emphasis; it is removed after rendering.
Underscores become stars for the same reason. Nothing else is changed, and nothing in code.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.channels.telegram.text.marked_text import Rich

__all__ = ["JOINT", "eastern", "with_emphasis", "without_joints"]

JOINT = "\x1e"
"""Neither a space nor punctuation to the parser. No cleaned text contains it."""
RUNS = re.compile(r"(?<!\\)(?:\*{1,3}|~~|_{1,2})|\n[ \t]*\n")
EAST = re.compile(
    "[\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\ud7ff\uf900-\ufaff\ufe30-\ufe6f\uff00-\uffef\U00020000-\U0003ffff]"
)
"""Scripts that put no spaces between words: Thai to Burmese, Khmer, and the Han, Kana and Hangul of East Asia."""


class Run(Struct, frozen=True):
    """A delimiter run: stars or underscores that may open or close emphasis."""

    start: int
    end: int
    sign: str


def eastern(text: str) -> bool:
    """Whether a text has a letter of these scripts beside a star or an underscore."""
    return not text.isascii() and EAST.search(text) is not None and ("*" in text or "_" in text or "~~" in text)


def with_emphasis(text: str, code: Sequence[tuple[int, int]]) -> str:
    """The text with joints; `code` are the stretches of code, in order, which stay as they are."""
    changes: dict[int, tuple[int, str]] = {}
    opened: dict[str, Run] = {}
    stretches = iter([*code, (len(text) + 1, len(text) + 1)])
    first, last = next(stretches)
    for match in RUNS.finditer(text):
        start, end, sign = match.start(), match.end(), match.group()
        while last <= start:
            first, last = next(stretches)
        if first <= start:
            continue
        if sign[0] == "\n":
            opened.clear()
            continue
        before, after = text[start - 1 : start], text[end : end + 1]
        begun = opened.get(sign)
        if begun is not None and before.strip() and begun.end < start:
            del opened[sign]
            changes |= pairing_edits(text, begun, Run(start, end, sign))
        elif after.strip():
            opened[sign] = Run(start, end, sign)
    pieces: list[str] = []
    at = 0
    for start in sorted(changes):
        end, replacement = changes[start]
        pieces += [text[at:start], replacement]
        at = end
    return "".join([*pieces, text[at:]])


def pairing_edits(text: str, begun: Run, ended: Run) -> dict[int, tuple[int, str]]:
    """The edits that make two runs a pair: by start, the end and the new text."""
    before, first = text[begun.start - 1 : begun.start], text[begun.end]
    last, after = text[ended.start - 1], text[ended.end : ended.end + 1]
    if begun.sign[0] == "_":
        outside = [each for each in (before, after) if is_letter(each)]
        if not outside or not all(EAST.match(each) for each in outside):
            return {}
    opens = not (is_mark(first) and is_letter(before))
    closes = not (is_mark(last) and is_letter(after))
    if begun.sign[0] != "_" and ((opens and closes) or not EAST.search(before + first + last + after)):
        return {}
    sign = begun.sign.replace("_", "*")
    return {
        begun.start: (begun.end, sign if opens else sign + JOINT),
        ended.start: (ended.end, sign if closes else JOINT + sign),
    }


def is_mark(char: str) -> bool:
    return bool(char) and unicodedata.category(char)[0] in "PS"


def is_letter(char: str) -> bool:
    return bool(char) and not char.isspace() and not is_mark(char)


def without_joints(rich: Rich) -> Rich:
    """The rendered text without joints; marks stay on what they mark."""
    if JOINT not in rich.text:
        return rich
    places: list[int] = []
    count = 0
    for char in rich.text:
        places.append(count)
        count += char != JOINT
    places.append(count)
    marks = tuple(replace(mark, start=places[mark.start], end=places[mark.end]) for mark in rich.marks)
    return Rich(rich.text.replace(JOINT, ""), marks)
