"""Cuts a long Markdown text into chunks that are rendered one by one, so that the cost grows linearly.

It cuts between blocks at a blank line, else between lines, else anywhere. A code block that is cut goes on as one: its
fence is closed at the end of a chunk and opened again in the next. Knows nothing of the renderer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from bridge_mcp.channels.telegram.text.marked_text import Mark, Rich

__all__ = ["CHUNK", "LONG", "chunks", "joined"]

LONG = 20_000
"""Characters from which on a text is rendered in chunks, and off the event loop."""
CHUNK = 8_000
"""Characters of a chunk, about."""
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")


def chunks(source: str) -> Iterator[str]:
    """The chunks of a text, in order."""
    gathered: list[str] = []
    size = 0
    opening, fence = "", ""
    for line in lines(source):
        blank = not fence and not line.strip()
        if gathered and (size + len(line) > CHUNK or (blank and size > CHUNK // 2)):
            yield "\n".join([*gathered, *([fence] if fence else [])])
            gathered, size = ([opening] if fence else []), 0
        gathered.append(line)
        size += len(line) + 1
        match = FENCE.fullmatch(line)
        if match and not fence:
            opening, fence = line, match[1]
        elif match and match[1].startswith(fence) and not match[2].strip():
            opening, fence = "", ""
    if gathered:
        yield "\n".join(gathered)


def lines(source: str) -> Iterator[str]:
    """The lines of a text; one that is longer than a chunk in pieces."""
    for line in source.split("\n"):
        for at in range(0, max(1, len(line)), CHUNK - 1):
            yield line[at : at + CHUNK - 1]


def joined(parts: list[Rich]) -> Rich:
    """The rendered chunks as one text; a code block that was cut is one again."""
    texts: list[str] = []
    marks: list[Mark] = []
    at = 0
    for part in parts:
        if not part.text:
            continue
        first = part.marks[0] if part.marks else None
        last = marks[-1] if marks else None
        if first and last and first.start == 0 and last.end == at - 1 and same_block(first, last):
            marks[-1] = replace(last, end=at + first.end)
        elif first:
            marks.append(moved(first, at))
        marks += [moved(mark, at) for mark in part.marks[1:]]
        texts.append(part.text)
        at += len(part.text) + 1
    return Rich("\n".join(texts), tuple(marks))


def same_block(first: Mark, last: Mark) -> bool:
    return first.kind == last.kind == "pre" and first.language == last.language


def moved(mark: Mark, by: int) -> Mark:
    return replace(mark, start=mark.start + by, end=mark.end + by)
