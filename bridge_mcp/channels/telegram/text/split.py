"""Cuts a text with marks into parts that fit into Telegram's messages.

It cuts between paragraphs, else between the items of a list, else between lines, else between words, else between
grapheme clusters. A code block goes whole into the next part if it fits into one; a larger one is cut into several code
blocks. Only the white space at a cut is lost. Knows nothing of Markdown or messages.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from bridge_mcp.channels.telegram.text.marked_text import LITERAL, Mark, Rich, measure, visible

__all__ = ["MAX_CAPTION", "MAX_MARKS", "MAX_TEXT", "fits", "split"]

MAX_TEXT = 4096
"""Length of a message, in UTF-16 code units."""
MAX_CAPTION = 1024
MAX_MARKS = 100
"""Entities of a message; Telegram drops those beyond."""

BORDERS = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n(?=\s*(?:[•☐☑]|\d+\.)\s)"),
    re.compile(r"\n"),
)
WORDS = re.compile(r"\s+")
LINES = re.compile(r"\n")


def fits(rich: Rich, most: int) -> bool:
    """Whether a text fits into one message of `most` UTF-16 code units."""
    return measure(rich.text)[-1] <= most and len(rich.marks) <= MAX_MARKS


def split(rich: Rich, most: int = MAX_TEXT) -> tuple[Rich, ...]:
    """The parts of a text, in order, each with a visible character; none if the text has none."""
    return tuple(part for part in Cutter(rich, most).parts() if visible(part.text))


class Cutter:
    """Cuts one text. All places are counted in characters."""

    def __init__(self, rich: Rich, most: int) -> None:
        self._rich, self._text, self._most = rich, rich.text, most
        self._units = measure(rich.text)
        self._literal = [mark for mark in rich.marks if mark.kind in LITERAL]
        self._blocks = [mark for mark in rich.marks if mark.kind == "pre"]

    def parts(self) -> Iterator[Rich]:
        """The parts, in order."""
        start = self._onwards(0)
        while start < len(self._text):
            end = self._reach(start)
            cut = end if end == len(self._text) else self._cut(start, end)
            part = self._rich.between(start, cut)
            yield Rich(part.text, part.marks[:MAX_MARKS])
            start = self._onwards(cut)

    def _onwards(self, at: int) -> int:
        """Where the next part begins: after white space, but in a code block only after a line end."""
        block = self._block(at)
        if block is not None and at > block.start:
            return at + 1 if self._text[at] == "\n" else at
        begins = {block.start for block in self._blocks}
        while at < len(self._text) and self._text[at].isspace() and at not in begins:
            at += 1
        return at

    def _block(self, at: int) -> Mark | None:
        """The code block around a place."""
        return next((block for block in self._blocks if block.start <= at < block.end), None)

    def _reach(self, start: int) -> int:
        """The furthest end of a part that starts here; at least one character on."""
        end = bisect_right(self._units, self._units[start] + self._most) - 1
        open_marks = 0
        for mark in self._rich.marks:
            if mark.start >= end:
                break
            open_marks += mark.end > start
            if open_marks > MAX_MARKS and mark.start > start:
                end = mark.start
                break
        return max(end, start + 1)

    def _cut(self, start: int, end: int) -> int:
        """The best place to end a part, after `start` and at most at `end`."""
        block = self._block(end)
        if block is not None and block.start < end:
            if start < block.start and (self._fits(block) or not self._last(LINES, max(start, block.start), end)):
                return block.start
            if self._units[block.end] - self._units[block.start] > self._most or start >= block.start:
                return self._last(LINES, max(start, block.start), end) or self._between_characters(start, end)
        for border in BORDERS:
            # Less than a quarter of a message does not go alone.
            if place := self._last(border, start + (end - start) // 4, end, beside=self._blocks):
                return place
        for beside in (self._literal, self._blocks):
            if place := self._last(WORDS, start, end, beside=beside):
                return place
        return self._between_characters(start, end)

    def _fits(self, block: Mark) -> bool:
        return self._units[block.end] - self._units[block.start] <= self._most

    def _last(self, border: re.Pattern[str], least: int, end: int, beside: list[Mark] | None = None) -> int:
        """The last match of `border` in a stretch, outside of the marks `beside`; 0: none. It may begin at `end`."""
        for match in reversed(list(border.finditer(self._text, least, min(end + 1, len(self._text))))):
            at = match.start()
            inside = any(mark.start < at < mark.end for mark in beside or ())
            if at > least and not inside and not self._joins(match.end()):
                return at
        return 0

    def _joins(self, at: int) -> bool:
        """Whether the character here combines with the one before it, also with white space."""
        char = self._text[at : at + 1]
        return char > "\x7f" and joins(char)

    def _between_characters(self, start: int, end: int) -> int:
        """The last border between two grapheme clusters; within one that is longer than a part."""
        import regex

        at = start
        for cluster in regex.finditer(r"\X", self._text, pos=start, endpos=min(end + 64, len(self._text))):
            if cluster.end() > end:
                break
            at = cluster.end()
        if at == start:
            return end
        # White space at the end of a part would be lost.
        text_end = start + len(self._text[start:at].rstrip())
        return text_end if text_end > start else at


def joins(char: str) -> bool:
    import regex

    return regex.match(r"[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}]", char) is not None
