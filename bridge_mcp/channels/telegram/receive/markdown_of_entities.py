"""Turns a text with Telegram's entities (bold, links, code, ...) into Markdown.

https://core.telegram.org/bots/api#messageentity. Offsets count UTF-16 code units. Code gets a fence that is longer than
any run of backticks in it, so nothing in a code block can end it. Text that a person typed is not escaped: models read
it as it is. Underlines, mentions and URLs get no marks. Knows nothing of messages or chats.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from telegram import MessageEntity

__all__ = ["as_markdown"]

SIGNS = {"bold": "**", "italic": "_", "strikethrough": "~~", "spoiler": "||"}
LITERAL = frozenset({"code", "pre"})
QUOTES = frozenset({"blockquote", "expandable_blockquote"})
LANGUAGE = re.compile(r"[A-Za-z0-9_+#.-]{1,32}")
TICKS = re.compile(r"`+")
LINE = re.compile(r"[^\n]+")


@dataclass(slots=True)
class Signs:
    """Markdown signs to insert into a text, by position."""

    closing: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    """In order of insertion: the inner mark ends first."""
    opening: dict[int, list[str]] = field(default_factory=dict[int, list[str]])

    def around(self, start: int, end: int, sign: str, closing: str = "") -> None:
        """Put a sign at both ends of a stretch; `closing` is the second one where they differ."""
        self.opening.setdefault(start, []).append(sign)
        self.closing.setdefault(end, []).insert(0, closing or sign)

    def woven_into(self, text: str) -> str:
        """The text with all signs inserted."""
        pieces: list[str] = []
        at = 0
        for place in sorted({*self.closing, *self.opening}):
            pieces += [text[at:place], *self.closing.get(place, ()), *self.opening.get(place, ())]
            at = place
        return "".join([*pieces, text[at:]])


def as_markdown(text: str, entities: Sequence[MessageEntity], me: int) -> str:
    """The text as Markdown; `me` is the bot's own id, whose mentions stay plain names."""
    signs = Signs()
    literal: list[tuple[int, int]] = []
    blocks: list[tuple[int, int, bool]] = []
    places = Utf16Offsets(text)
    for entity in sorted(entities, key=lambda each: (each.offset, -each.length)):
        start, end = places.stretch(entity.offset, entity.length)
        if start >= end or any(first <= start < last for first, last in literal):
            continue
        if entity.type in LITERAL:
            literal.append((start, end))
        if entity.type in QUOTES:
            blocks.append((start, end, True))
        elif entity.type == "pre":
            blocks.append((start, end, False))
            fence(signs, text, start, end, entity.language or "")
        else:
            inline(signs, text, start, end, entity, me)
    for start, end, quoted in blocks:
        on_lines_of_its_own(signs, text, start, end, quoted=quoted)
    return signs.woven_into(text)


@dataclass(slots=True)
class Utf16Offsets:
    """Maps UTF-16 offsets to indices of a text; an offset inside a character, or beyond the end, is moved."""

    text: str

    def stretch(self, offset: int, length: int) -> tuple[int, int]:
        """Start and end of an entity, in characters."""
        if self.text.isascii():
            return max(0, offset), min(len(self.text), offset + length)
        data = self.text.encode("utf-16-le", "surrogatepass")
        return (
            len(data[: 2 * max(0, offset)].decode("utf-16-le", "ignore")),
            len(data[: 2 * max(0, offset + length)].decode("utf-16-le", "ignore")),
        )


def inline(signs: Signs, text: str, start: int, end: int, entity: MessageEntity, me: int) -> None:
    """Signs within lines: a mark over several lines is repeated on each, without white space at its ends."""
    if entity.type == "code":
        ticks = "`" * (longest_run(text[start:end]) + 1)
        space = " " if text[start] == "`" or text[end - 1] == "`" else ""
        signs.around(start, end, ticks + space, space + ticks)
    elif entity.type == "text_link" and entity.url and entity.url != text[start:end]:
        signs.around(start, end, "", f" ({entity.url})")
    elif entity.type == "text_mention" and entity.user is not None and entity.user.id != me:
        signs.around(start, end, "[", f"](tg://user?id={entity.user.id})")
    elif sign := SIGNS.get(entity.type):
        for first, last in worded(text, start, end):
            signs.around(first, last, sign)


def worded(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The lines of a stretch as (start, end), without the white space around each."""
    for line in LINE.finditer(text, start, end):
        words = line.group()
        first = line.start() + len(words) - len(words.lstrip())
        last = line.start() + len(words.rstrip())
        if first < last:
            yield first, last


def fence(signs: Signs, text: str, start: int, end: int, language: str) -> None:
    ticks = "`" * max(3, longest_run(text[start:end]) + 1)
    name = language if LANGUAGE.fullmatch(language) else ""
    closing = ticks if text[end - 1] == "\n" else f"\n{ticks}"
    signs.around(start, end, f"{ticks}{name}\n", closing)


def on_lines_of_its_own(signs: Signs, text: str, start: int, end: int, *, quoted: bool) -> None:
    """Line breaks around a block, and `> ` before each line of a quotation."""
    if quoted:
        for place in [start, *(line_end.end() for line_end in re.finditer("\n", text[start : end - 1]))]:
            at = place if place == start else start + place
            signs.opening.setdefault(at, []).insert(0, "> ")
    if start and text[start - 1] != "\n":
        signs.opening.setdefault(start, []).insert(0, "\n")
    if end < len(text) and text[end] != "\n" and text[end - 1] != "\n":
        signs.closing.setdefault(end, []).append("\n")


def longest_run(text: str) -> int:
    runs: Iterable[str] = TICKS.findall(text)
    return max(map(len, runs), default=0)
