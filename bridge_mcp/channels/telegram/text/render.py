"""Renders Markdown, as models write it, as text with marks.

telegramify-markdown renders; `sanitize` first rewrites what it would lose, and marks that Telegram would refuse are
corrected after. The result shows every character that the Markdown shows, or else the Markdown as it is. Imports the
libraries with the first text that needs them. Knows nothing of limits, messages or chats.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, cast, get_args
from urllib.parse import urlsplit

from msgspec.structs import replace

from bridge_mcp.channels.telegram.text.chunks import LONG, chunks, joined
from bridge_mcp.channels.telegram.text.east_asian import eastern, with_emphasis, without_joints
from bridge_mcp.channels.telegram.text.marked_text import LITERAL, Kind, Mark, Rich, cleaned, measure, ordered, visible
from bridge_mcp.channels.telegram.text.sanitize import BREAK, Event, TooManyRounds, sanitize, shown

if TYPE_CHECKING:
    from telegramify_markdown import MessageEntity

__all__ = ["Renderer"]

PLAIN = re.compile(r"(?!\s)(?:(?!^(?: {2}|\d+[.)]))[^\\`*_\[\]<>#+\-!|~$&=\t\x00-\x09\x0b-\x1f])*", re.MULTILINE)
"""Text without Markdown in it."""
LANGUAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+#.\-]{0,31}")
HOST = re.compile(r"[\w\-]+(\.[\w\-]+)+\.?", re.ASCII)
QUOTES = frozenset({"blockquote", "expandable_blockquote"})
LONG_QUOTE = 400
"""Characters from which on a quotation is folded."""
KINDS = frozenset(get_args(Kind))


class Renderer:
    """Renders Markdown, deterministically."""

    def __init__(self) -> None:
        self._convert: Callable[[str], tuple[str, list[MessageEntity]]] | None = None
        self._parse: Callable[[str], Sequence[Event]] | None = None

    def render(self, markdown: str) -> Rich:
        """The Markdown rendered; an empty text only if there is nothing to see in its source either."""
        source = cleaned(markdown).strip("\n")
        if len(source) <= LONG:
            return self._of(source)
        rich = joined([self._of(chunk) for chunk in chunks(source)])
        return stripped(rich.text, rich.marks)

    def last(self, markdown: str) -> Rich:
        """The end of a long text, rendered."""
        *_, end = chunks(cleaned(markdown).strip("\n"))
        return self._of(end)

    def _of(self, source: str) -> Rich:
        """A text that is not long, rendered."""
        if PLAIN.fullmatch(source):
            return stripped(source)
        try:
            rich = self._rendered(source)
        except (TooManyRounds, ValueError, IndexError, KeyError, AttributeError, RecursionError):
            # The library may fail on Markdown that it was never tested with: the text is sent as it is.
            return stripped(source)
        return rich if rich is not None and visible(rich.text) else stripped(source)

    def _rendered(self, source: str) -> Rich | None:
        """The rendered text; None where something was lost."""
        if self._convert is None or self._parse is None:
            self._convert, self._parse = libraries()
        if eastern(source):
            source = with_emphasis(source, code_in(source, self._parse(source)))
        tamed, events = sanitize(source, self._parse)
        text, entities = self._convert(tamed)
        rich = from_entities(text, entities)
        # Formulas between brackets are text to the parser, but are rewritten: compare with the sanitized text.
        formulas = "\\(" in source or "\\[" in source
        if not holds(rich.text, events) or not (formulas or holds(rich.text, self._parse(source))):
            return None
        for step in (broken_lines, languages, addresses, nested):
            rich = step(rich)
        rich = without_joints(rich)
        return stripped(rich.text, rich.marks)


def code_in(source: str, events: Sequence[Event]) -> list[tuple[int, int]]:
    """Where code stands in a text, in characters and in order."""
    spans = [
        (where["start"], where["end"])
        for payload, where in events
        if isinstance(payload, dict) and ("Code" in payload or is_block(cast("dict[str, object]", payload)))
    ]
    if source.isascii() or not spans:
        return spans
    data, char_spans, at, chars = source.encode(), list[tuple[int, int]](), 0, 0
    for start, end in sorted(spans):
        if start < at:
            continue
        chars += len(data[at:start].decode("utf-8", "ignore"))
        first, chars = chars, chars + len(data[start:end].decode("utf-8", "ignore"))
        char_spans.append((first, chars))
        at = end
    return char_spans


def is_block(payload: dict[str, object]) -> bool:
    start = payload.get("Start")
    return isinstance(start, dict) and "CodeBlock" in start


def libraries() -> tuple[Callable[[str], tuple[str, list[MessageEntity]]], Callable[[str], Sequence[Event]]]:
    """The renderer and the parser that it uses, configured alike."""
    import pyromark
    from telegramify_markdown import RenderConfig, convert
    from telegramify_markdown.converter import STANDARD_OPTIONS

    config = RenderConfig.isolated()
    config.cite_expandable = False
    signs = config.markdown_symbol
    signs.heading_level_1 = signs.heading_level_2 = signs.heading_level_3 = signs.heading_level_4 = ""
    signs.unordered_list_item, signs.task_completed, signs.task_uncompleted = "•", "☑", "☐"
    signs.image, signs.horizontal_rule = "🖼 ", "———"

    def rendered(markdown: str) -> tuple[str, list[MessageEntity]]:
        return convert(markdown, latex_escape=False, config=config)

    def parsed(markdown: str) -> Sequence[Event]:
        return cast("Sequence[Event]", tuple(pyromark.events_with_range(markdown, options=STANDARD_OPTIONS)))

    return rendered, parsed


def stripped(text: str, marks: Iterable[Mark] = ()) -> Rich:
    """The text without white space around it."""
    rich = Rich(text, ordered(marks))
    lead = len(text) - len(text.lstrip())
    if lead and rich.marks and rich.marks[0].kind == "pre" and rich.marks[0].start <= lead:
        # The first line of a code block keeps its indentation.
        lead = text.rfind("\n", 0, lead) + 1
    return rich.between(lead, len(text))


def from_entities(text: str, entities: Sequence[MessageEntity]) -> Rich:
    """Marks in characters, of the kinds that we send."""
    places = {at: index for index, at in enumerate(measure(text))}
    marks = (
        Mark(
            cast("Kind", entity.type),
            places[entity.offset],
            places[entity.offset + entity.length],
            url=entity.url or "",
            language=entity.language or "",
        )
        for entity in entities
        if entity.type in KINDS
    )
    return Rich(text, ordered(marks))


def holds(text: str, events: Sequence[Event]) -> bool:
    """Whether a text has every visible character of the source, in order; formulas do not count."""
    remaining = iter(squeezed(text))
    pieces = (shown(payload) for payload, _ in events)
    return all(char in remaining for piece in pieces for char in squeezed(piece))


def squeezed(text: str) -> str:
    """The text without white space and without the bars of spoilers."""
    return "".join(text.replace("|", "").split())


def broken_lines(rich: Rich) -> Rich:
    """A `<br>` ends the line, but not inside a table."""
    if BREAK not in rich.text:
        return rich
    chars = list(rich.text)
    tables = [mark for mark in rich.marks if mark.kind == "pre"]
    for at, char in enumerate(chars):
        if char == BREAK:
            chars[at] = " " if any(mark.start <= at < mark.end for mark in tables) else "\n"
    return replace(rich, text="".join(chars))


def inserted(rich: Rich, at: int, text: str, *, before: bool = False) -> Rich:
    """Insert a text. Marks that end there do not grow; with `before`, those that begin there move."""
    size = len(text)
    moved = (
        replace(
            mark,
            start=mark.start + (size if mark.start > at or (mark.start == at and before) else 0),
            end=mark.end + (size if mark.end > at else 0),
        )
        for mark in rich.marks
    )
    return Rich(rich.text[:at] + text + rich.text[at:], ordered(moved))


def languages(rich: Rich) -> Rich:
    """Keep the language of a fence; the rest of its info string becomes a line above the code."""
    for index in range(len(rich.marks)):
        mark = rich.marks[index]
        if not mark.language:
            continue
        match = LANGUAGE.match(mark.language)
        name = match.group() if match else ""
        rest = mark.language[len(name) :]
        if rest and not rest[0].isspace():
            name, rest = "", mark.language
        marks = (*rich.marks[:index], replace(mark, language=name), *rich.marks[index + 1 :])
        rich = Rich(rich.text, marks)
        if rest.strip():
            rich = inserted(rich, mark.start, rest.strip() + "\n", before=True)
    return rich


def addresses(rich: Rich) -> Rich:
    """Write out links that Telegram refuses; a link that shows its own URL needs no mark."""
    for mark in sorted(rich.marks, key=lambda mark: mark.end, reverse=True):
        if mark.kind != "text_link":
            continue
        words, url = rich.text[mark.start : mark.end], mark.url.removeprefix("mailto:")
        if linkable(mark.url) and url != words:
            continue
        rich = Rich(rich.text, tuple(other for other in rich.marks if other != mark))
        if url != words and url.strip():
            rich = inserted(rich, mark.end, f" ({' '.join(cleaned(url).split())})")
    return rich


def linkable(url: str) -> bool:
    """Whether Telegram accepts it as a link: a web URL with a complete host, or a `tg:` one."""
    if any(char.isspace() for char in url):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    if parts.scheme in ("http", "https"):
        return HOST.fullmatch(host.encode("idna").decode() if not host.isascii() else host) is not None
    return parts.scheme == "tg" and bool(host)


def nested(rich: Rich) -> Rich:
    """Nest marks as Telegram requires: nothing in code, no quotation in a quotation, no partial overlap."""
    links = outermost(mark for mark in rich.marks if mark.kind == "text_link")
    # A URL is worth more than the look of code.
    literal = outermost(mark for mark in rich.marks if mark.kind in LITERAL and not inside(mark, links))
    quotes = outermost(mark for mark in rich.marks if mark.kind in QUOTES)
    marks: list[Mark] = [*literal, *map(folded, quotes)]
    for mark in rich.marks:
        if mark.kind not in LITERAL and mark.kind not in QUOTES:
            marks += around(mark, literal)
    return Rich(rich.text, ordered(uncrossed(marks)))


def outermost(marks: Iterable[Mark]) -> list[Mark]:
    """The marks that do not begin inside another one."""
    outer: list[Mark] = []
    for mark in ordered(marks):
        if not outer or mark.start >= outer[-1].end:
            outer.append(mark)
    return outer


def inside(mark: Mark, others: Sequence[Mark]) -> bool:
    """Whether one of these, of which no two overlap, holds the mark."""
    at = bisect_right(others, mark.start, key=lambda other: other.start) - 1
    return at >= 0 and mark.end <= others[at].end


def folded(mark: Mark) -> Mark:
    return replace(mark, kind="expandable_blockquote") if mark.end - mark.start > LONG_QUOTE else mark


def around(mark: Mark, literal: Sequence[Mark]) -> list[Mark]:
    """The parts of a mark outside of code."""
    pieces: list[Mark] = []
    at = mark.start
    for index in range(bisect_right(literal, at, key=lambda other: other.end), len(literal)):
        other = literal[index]
        if other.start >= mark.end:
            break
        if other.start > at:
            pieces.append(replace(mark, start=at, end=other.start))
        at = other.end
    if at < mark.end:
        pieces.append(replace(mark, start=at))
    return pieces


def uncrossed(marks: Iterable[Mark]) -> list[Mark]:
    """Cut a mark that begins inside another and ends behind it in two; drop one inside another of its kind."""
    uncut: list[Mark] = []
    around_it: list[Mark] = []
    number = count()
    waiting = [(mark.start, -mark.end, next(number), mark) for mark in marks]
    heapify(waiting)
    while waiting:
        mark = heappop(waiting)[-1]
        around_it = [other for other in around_it if other.end > mark.start]
        border = min((other.end for other in around_it if other.end < mark.end), default=None)
        if border is not None:
            rest = replace(mark, start=border)
            heappush(waiting, (rest.start, -rest.end, next(number), rest))
            mark = replace(mark, end=border)
        if not any(other.kind == mark.kind for other in around_it):
            uncut.append(mark)
            around_it.append(mark)
    return uncut
