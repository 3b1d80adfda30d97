"""Text with marks (bold, links, code, ...), and the characters that Telegram removes.

Marks are counted in characters here; Telegram's UTF-16 code units appear only where something is measured or sent.
Knows nothing of Markdown, messages or chats.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import accumulate
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

__all__ = ["LITERAL", "Kind", "Mark", "Rich", "cleaned", "measure", "units", "visible"]

Kind: TypeAlias = Literal[
    "bold",
    "italic",
    "underline",
    "strikethrough",
    "spoiler",
    "code",
    "pre",
    "text_link",
    "blockquote",
    "expandable_blockquote",
]
LITERAL = frozenset({"code", "pre"})
"""Marks that cannot contain others."""

ENDS_LINE = re.compile(r"\r\n?|[\x0b\x0c\u2028\u2029]")
CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f]")
RING = re.compile("(.)\u030a", re.DOTALL)
DROPPED = re.compile("[\u202a-\u202e\u0333\u033f\u030a]")
"""Telegram removes these from every message; removing them here keeps its counts and ours equal."""
UNSEEN = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Mn", "Me"})
FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols by category, but invisible."""


class Mark(Struct, frozen=True):
    """One marked stretch, in characters."""

    kind: Kind
    start: int
    end: int
    url: str = ""
    language: str = ""


class Rich(Struct, frozen=True):
    """A text with its marks, in the order of their starts, the longer first."""

    text: str
    marks: tuple[Mark, ...] = ()

    def between(self, start: int, end: int) -> Rich:
        """A slice, with marks clipped to it and without white space at its end."""
        text = self.text[start:end].rstrip()
        end = start + len(text)
        clipped_marks = (clipped(mark, start, end) for mark in self.marks if mark.start < end and mark.end > start)
        return Rich(text, ordered(mark for mark in clipped_marks if text[mark.start : mark.end].strip()))

    def written_out(self) -> str:
        """As plain text, with the URL of a link behind its words."""
        text = self.text
        for mark in sorted(self.marks, key=lambda mark: mark.end, reverse=True):
            if mark.url and mark.url not in text[mark.start : mark.end]:
                text = f"{text[: mark.end]} ({mark.url}){text[mark.end :]}"
        return text


def clipped(mark: Mark, start: int, end: int) -> Mark:
    return replace(mark, start=max(mark.start, start) - start, end=min(mark.end, end) - start)


def ordered(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    return tuple(sorted(marks, key=lambda mark: (mark.start, -mark.end)))


def units(text: str) -> int:
    """How many UTF-16 code units a text takes."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def measure(text: str) -> list[int]:
    """For each index of a text, its end included, the number of UTF-16 code units before it."""
    if text.isascii() or max(text) <= "\uffff":
        return list(range(len(text) + 1))
    return list(accumulate((2 if char > "\uffff" else 1 for char in text), initial=0))


def cleaned(text: str) -> str:
    """A text with only what Telegram keeps: whole characters, one kind of line end, no tabs and no controls."""
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    text = CONTROLS.sub(" ", ENDS_LINE.sub("\n", text).expandtabs(4))
    # A ring above that forms one letter with the letter before it (å) survives as that.
    text = RING.sub(lambda match: unicodedata.normalize("NFC", match.group()), text)
    return DROPPED.sub("", text)


def visible(text: str) -> bool:
    """Whether there is a visible character: Telegram refuses a message without one."""
    return any(char not in FILLERS and unicodedata.category(char) not in UNSEEN for char in text)
