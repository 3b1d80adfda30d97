"""Rewrites Markdown so that the renderer loses nothing of it, and takes nothing for markup that is not meant so.

The renderer drops HTML, the addresses of links in tables, fences without content, definitions nobody refers to, and
takes any two dollars for a formula and any two double bars for a spoiler. The renderer's own parser finds each of
these; it is rewritten so that it is shown, until none is left. Knows nothing of Telegram.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

__all__ = ["BREAK", "Event", "Parse", "TooManyRounds", "sanitize", "shown"]

Event: TypeAlias = tuple[Any, Mapping[str, int]]
"""An event of the parser: a payload, and the bytes of the source it stands for."""
Parse: TypeAlias = Callable[[str], Sequence[Event]]
Rewriting: TypeAlias = tuple[int, int, str]
"""These bytes of the source become this."""

BREAK = "\x1f"
"""Stands for `<br>` until the text is rendered. No cleaned text contains it."""
ROUNDS = 40

BR = re.compile(r"\s*(<br\s*/?>)", re.IGNORECASE)
OPENS = re.compile(r"^[ \t>]*(<)|^[ \t>]*(?:`{3,}|~{3,})", re.MULTILINE)
PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
FORMULA = re.compile(r"\\[A-Za-z]|\^|_\{|_\w\b")
LATEX = re.compile(rb"\\\(((?:(?!\\\(|\$|\n\s*\n).)+?)\\\)|\\\[((?:(?!\\\[|\$|\n\s*\n).)+?)\\\]", re.DOTALL)
BARS = re.compile(rb"(?<!\\)\|\|(?=[^\s|])(?:(?!\|\||\n\s*\n).)*?(?<=\S)\|\||\|\|", re.DOTALL)
TIGHT_BARS = re.compile(rb"(?<![\\|])\|\|(?=[^\s|])|(?<=[^\s|\\])\|\|(?!\|)")
DEFINES = re.compile(rb"\[((?:[^\[\]\\]|\\.)+)\]:")
TOLD = re.compile(r"[^\s,]+[\s,]+\S")
ADDRESS = re.compile(r"https?://[^\s<>]+")


class TooManyRounds(Exception):
    """The text still needs rewriting after a reasonable number of rounds."""


def shown(payload: Any) -> str:
    """The visible text of an event; formulas are rewritten and do not count."""
    if not isinstance(payload, dict):
        return ""
    fields = cast("dict[str, Any]", payload)
    return str(fields.get("Text") or fields.get("Code") or "")


def sanitize(markdown: str, parse: Parse) -> tuple[str, Sequence[Event]]:
    """The rewritten Markdown, and the parser's events for it.

    Raises:
        TooManyRounds: it would take too long.
    """
    for _ in range(ROUNDS):
        events = parse(markdown)
        changed = rewritten(markdown, events)
        if changed is None:
            return markdown, events
        markdown = changed
    raise TooManyRounds


def rewritten(markdown: str, events: Sequence[Event]) -> str | None:
    """One round; None when nothing is left to do."""
    source = Source(markdown.encode())
    rewritings = [*structures(source, events), *loose(source)]
    if not rewritings:
        return None
    pieces: list[bytes] = []
    at = 0
    for start, end, text in sorted(rewritings):
        # Of two that overlap, the second one is left for the next round.
        if start >= at:
            pieces += [source.data[at:start], text.encode()]
            at = end
    return b"".join([*pieces, source.data[at:]]).decode()


@dataclass(slots=True)
class Source:
    """The bytes of a text, and what one walk over its events found."""

    data: bytes
    literal: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Code, which is left as it is."""
    formulas: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    tables: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    shown: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Text, links and code; what is in none of these may be a definition."""
    used: set[str] = field(default_factory=set[str])
    """The labels that links refer to."""

    def text(self, start: int, end: int) -> str:
        """A slice of the source, decoded."""
        return self.data[start:end].decode()


def structures(source: Source, events: Sequence[Event]) -> Iterator[Rewriting]:
    """Rewritings for single events. Fills in the fields of `source`."""
    in_cell = False
    for index, (payload, where) in enumerate(events):
        start, end = where["start"], where["end"]
        if not isinstance(payload, dict):
            continue
        ((name, value),) = cast("dict[str, Any]", payload).items()
        if name in ("Start", "End") and value == "TableCell":
            in_cell = name == "Start"
        elif name == "Start":
            yield from opened(source, events, index, in_cell=in_cell)
        elif name in ("InlineMath", "DisplayMath"):
            source.formulas.append((start, end))
            yield from formula(str(value), start, end, 1 if name == "InlineMath" else 2, in_cell=in_cell)
        elif name == "InlineHtml":
            tag = BR.fullmatch(source.text(start, end))
            yield (start, end, BREAK) if tag else (start, start, "\\")
        elif name in ("Text", "Code"):
            source.shown.append((start, end))
            if name == "Code":
                source.literal.append((start, end))


def opened(source: Source, events: Sequence[Event], index: int, *, in_cell: bool) -> Iterator[Rewriting]:
    """Rewritings for the start of a block or a link."""
    payload, where = events[index]
    start, end, tag = where["start"], where["end"], payload["Start"]
    if tag == "HtmlBlock":
        source.shown.append((start, end))
        yield from html_block(source, start, end)
    if not isinstance(tag, dict):
        return
    ((name, value),) = cast("dict[str, Any]", tag).items()
    if name == "Table":
        source.tables.append((start, end))
    elif name == "CodeBlock":
        source.literal.append((start, end))
        source.shown.append((start, end))
        if isinstance(value, dict):
            info = str(cast("dict[str, Any]", value)["Fenced"])
            empty = events[index + 1][0] == {"End": "CodeBlock"}
            yield from fence(source, info, start, end, empty=empty)
    elif name in ("Link", "Image"):
        source.shown.append((start, end))
        source.used.add(label(str(value["id"])))
        yield from link(source, events, index, str(value["dest_url"]), in_cell=in_cell)


def html_block(source: Source, start: int, end: int) -> Iterator[Rewriting]:
    """Escape the tags that open a line, up to a fence, which may be a real one."""
    text = source.text(start, end)
    if tag := BR.match(text):
        yield start + len(text[: tag.start(1)].encode()), start + len(text[: tag.end(1)].encode()), BREAK
        return
    for match in OPENS.finditer(text):
        if not match.group(1):
            break
        at = start + len(text[: match.start(1)].encode())
        yield at, at, "\\"
    else:
        if "<" in text and not OPENS.search(text):
            at = start + len(text[: text.index("<")].encode())
            yield at, at, "\\"


def formula(value: str, start: int, end: int, dollars: int, *, in_cell: bool) -> Iterator[Rewriting]:
    """Dollars that hold no formula are prices and variables. In a table a formula would be shown elsewhere."""
    if in_cell or not FORMULA.search(value):
        ends = (*range(start, start + dollars), *range(end - dollars, end))
        yield from ((at, at, "\\") for at in ends)
    elif "||" in value:
        yield start, end, "$" * dollars + value.replace("||", "\u2016") + "$" * dollars


def fence(source: Source, info: str, start: int, end: int, *, empty: bool) -> Iterator[Rewriting]:
    """Keep the info string of a fence: all there is in an empty block, and cut at a comma by the renderer."""
    if empty and info.strip():
        yield start, end, literally(info.strip()) + "\n"
    elif "," in info and TOLD.match(info.strip()):
        at = source.data.find(b",", start, end)
        yield at, at + 1, " "


def link(source: Source, events: Sequence[Event], index: int, url: str, *, in_cell: bool) -> Iterator[Rewriting]:
    """Write out the URL of a link in a table or without words, which would be lost."""
    where = events[index][1]
    start, end, inner, words = where["start"], where["end"], list[tuple[int, int]](), ""
    for payload, place in events[index + 1 :]:
        if place["start"] >= end or (payload in ({"End": "Link"}, {"End": "Image"}) and place == where):
            break
        inner.append((place["start"], place["end"]))
        words += shown(payload)
    address = f"<{url}>" if ADDRESS.fullmatch(url) and not in_cell else literally(url)
    if not words.strip():
        if url:
            yield start, end, address
    elif in_cell:
        label = source.text(min(at for at, _ in inner), max(at for _, at in inner))
        yield start, end, label if words == url or not url else f"{label} ({address})"


def loose(source: Source) -> Iterator[Rewriting]:
    """Rewritings that are found by regular expressions, outside of code."""
    for match in LATEX.finditer(source.data):
        content = match.group(1) or match.group(2)
        if free(source, match.start(), match.end()) and FORMULA.search(content.decode()):
            sign = "$" if match.group(1) else "$$"
            yield match.start(), match.end(), sign + content.decode().strip() + sign
    odd = odd_lines(source.data)
    for match in BARS.finditer(source.data):
        if inside(match.start(), source.tables):
            if not inside(match.start(), source.literal):
                yield match.start() + 1, match.start() + 1, " "
        elif free(source, match.start(), match.end()):
            yield from bars(source, match, odd)
    seen: set[str] = set()
    for match in DEFINES.finditer(source.data):
        if inside(match.start(), source.shown):
            continue
        name = label(match.group(1).decode())
        if name not in source.used or name in seen:
            yield match.start(), match.start(), "\\"
            # It is a paragraph now: the line below must not become its underline (a setext heading).
            if (end := source.data.find(b"\n", match.end())) >= 0:
                yield end, end, "\n"
        seen.add(name)


def bars(source: Source, match: re.Match[bytes], odd: frozenset[int]) -> Iterator[Rewriting]:
    """Escape double bars that make no spoiler, and all of a line where that is ambiguous."""
    start, end = match.start(), match.end()
    if end - start == 2:
        yield start, end, "\\|\\|"
    elif odd and source.data.rfind(b"\n", 0, start) in odd:
        yield start, start + 2, "\\|\\|"
        yield end - 2, end, "\\|\\|"


def odd_lines(data: bytes) -> frozenset[int]:
    """The positions before those lines in which a double bar beside a word has no partner."""
    if data.count(b"||") < 3:
        return frozenset()
    positions: set[int] = set()
    at = -1
    for line in data.split(b"\n"):
        if len(TIGHT_BARS.findall(line)) % 2 and BARS.search(line):
            positions.add(at)
        at += len(line) + 1
    return frozenset(positions)


def free(source: Source, start: int, end: int) -> bool:
    """Whether a stretch touches neither code nor a formula."""
    return not any(start < last and first < end for first, last in (*source.literal, *source.formulas))


def inside(at: int, stretches: Sequence[tuple[int, int]]) -> bool:
    return any(first <= at < last for first, last in stretches)


def label(text: str) -> str:
    return " ".join(text.casefold().split())


def literally(text: str) -> str:
    """The text, escaped for Markdown."""
    return PUNCTUATION.sub(r"\\\1", " ".join(text.split()))
