"""Cuts a text into pieces that Discord takes. A block of code that is cut is closed, and opened again in the next one.

It cuts between paragraphs, else between lines, else between words, else between characters. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bridge_mcp.channels.discord.text.markdown import fences

__all__ = ["MAX_TEXT", "split", "units"]

MAX_TEXT = 2000
"""https://docs.discord.com/developers/resources/message#create-message: characters, counted here in UTF-16 units."""
LEAST = 4
"""A piece is not ended before a quarter of it is filled, for the sake of a paragraph."""


def units(text: str) -> int:
    """UTF-16 code units: never fewer than Discord counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def split(text: str, most: int = MAX_TEXT) -> tuple[str, ...]:
    """The pieces, in order, each with something to see; none if there is nothing to see in it."""
    if not text.strip():
        return ()
    if units(text) <= most:
        return (text.strip("\n"),)
    packer = Packer(most)
    for block, fence in blocks(text):
        if fence:
            packer.code(block)
        else:
            packer.words(block)
    return tuple(piece for piece in packer.pieces() if piece.strip())


def blocks(text: str) -> Iterator[tuple[list[str], str]]:
    """Stretches of lines: a block of code whole, and paragraphs with the empty lines behind them."""
    gathered: list[str] = []
    state = ""
    lines = list(fences(text.split("\n")))
    for index, (line, inside) in enumerate(lines):
        opens = inside and not state
        if opens and gathered:
            yield gathered, ""
            gathered = []
        gathered.append(line)
        state = inside
        ends_code = inside and (index + 1 == len(lines) or not lines[index + 1][1] or closes(line, inside, gathered))
        ends_words = not inside and not line.strip()
        if ends_code or ends_words:
            yield gathered, inside
            gathered, state = [], ""
    if gathered:
        yield gathered, ""


def closes(line: str, fence: str, block: Sequence[str]) -> bool:
    """Whether a line of a block closes it, so that another block may begin right behind."""
    bare = line.strip()
    return len(block) > 1 and bare.startswith(fence) and not bare.strip(fence[0])


class Packer:
    """Fills pieces."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._done: list[str] = []
        self._now = ""

    def pieces(self) -> list[str]:
        """All pieces, once everything is in."""
        self._flush()
        return self._done

    def _flush(self) -> None:
        if self._now.strip():
            self._done.append(self._now.strip("\n"))
        self._now = ""

    def _fits(self, text: str) -> bool:
        return units(self._now) + units(text) + 1 <= self._most

    def _add(self, text: str) -> None:
        self._now = f"{self._now}\n{text}" if self._now else text

    def words(self, lines: Sequence[str]) -> None:
        """A paragraph."""
        text = "\n".join(lines)
        if self._fits(text):
            self._add(text)
            return
        if units(self._now) * LEAST >= self._most and units(text) <= self._most:
            self._flush()
            self._add(text)
            return
        for line in lines:
            self._line(line)

    def _line(self, line: str) -> None:
        if self._fits(line):
            self._add(line)
            return
        self._flush()
        for piece in cut(line, self._most):
            self._flush()
            self._add(piece)

    def code(self, lines: Sequence[str]) -> None:
        """A block of code with its fences."""
        text = "\n".join(lines)
        if self._fits(text):
            self._add(text)
            return
        if units(text) <= self._most:
            self._flush()
            self._add(text)
            return
        self._flush()
        opening = short(lines[0], self._most)
        fence = re.match(r"\s*(`{3,}|~{3,})", opening)
        closing = fence[1] if fence else "```"
        body = lines[1:-1] if len(lines) > 1 and closes(lines[-1], closing, lines) else lines[1:]
        room = self._most - units(opening) - units(closing) - 2
        gathered: list[str] = []
        used = 0
        for line in body:
            for piece in cut(line, room, strip=False) or [""]:
                if gathered and used + units(piece) + 1 > room:
                    self._done.append("\n".join([opening, *gathered, closing]))
                    gathered, used = [], 0
                gathered.append(piece)
                used += units(piece) + 1
        self._now = "\n".join([opening, *gathered, closing])


def short(opening: str, most: int) -> str:
    """The first line of a block, which takes no more than a quarter of a piece."""
    return opening if units(opening) * LEAST <= most else opening[: most // LEAST].rstrip("`~") or "```"


def cut(line: str, most: int, *, strip: bool = True) -> list[str]:
    """A line in pieces, between words where there are any, else between characters."""
    pieces: list[str] = []
    while units(line) > most:
        end = reach(line, most)
        space = line.rfind(" ", most // LEAST, end + 1) if strip else -1
        end = space if space > 0 else end
        pieces.append(line[:end])
        line = line[end:].lstrip(" ") if strip else line[end:]
    return [*pieces, line] if line or not pieces else pieces


def reach(line: str, most: int) -> int:
    """How many characters fit; never half a character, and never between a character and what combines with it."""
    import regex

    at = used = 0
    for cluster in regex.finditer(r"\X", line, endpos=min(len(line), most + 64)):
        used += units(cluster.group())
        if used > most:
            break
        at = cluster.end()
    if at:
        return at
    end = min(len(line), most)
    while units(line[:end]) > most:
        end -= 1
    return max(1, end)
