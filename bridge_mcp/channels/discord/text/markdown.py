"""Markdown, as models write it, in the dialect that Discord shows.

Discord shows bold, italics, strikes, spoilers, code, quotes, lists, links and three levels of headings. It knows no
tables (they become blocks of code, in columns), no deeper headings, rules, pictures or HTML, and it underlines what two
underscores mark. Its blocks of code have three backticks, and end at the next three. Everything else stays as it is:
nothing is lost. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

__all__ = ["as_discord", "fences"]

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$")
DEEP = re.compile(r"^ {0,3}#{4,6}[ \t]+(.+?)[ \t]*#*$")
RULE = re.compile(r"^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$")
ROW = re.compile(r"^\s*\|?.*\|.*$")
BORDER = re.compile(r"^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")
IMAGE = re.compile(r"!\[([^\]\n]*)\]\(\s*<?([^\s)>]+)>?[^)\n]*\)")
STRONG = re.compile(r"(?<![\w\\_])__(?=[^\s_])(.+?)(?<=[^\s_\\])__(?![\w_])")
CODE = re.compile(r"(`+)(?:(?!\1).)+?\1")
TICKS = re.compile(r"`{3,}")
CELL = re.compile(r"(?<!\\)\|")
MAX_WIDTH = 60
"""Columns of a table that is wider are written as lists: phones wrap code."""


def fences(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each line with the fence that it stands in ("" outside); a fence's own lines stand in it too."""
    inside = ""
    for line in lines:
        match = FENCE.match(line)
        if inside:
            yield line, inside
            closes = match is not None and match[1].startswith(inside) and not match[2].strip()
            inside = "" if closes else inside
        elif match is not None and not (match[1][0] == "`" and "`" in match[2]):
            inside = match[1]
            yield line, inside
        else:
            yield line, ""


def as_discord(markdown: str) -> str:
    """The text as Discord shows it."""
    lines = list(fences(markdown.replace("\r\n", "\n").replace("\r", "\n").split("\n")))
    written: list[str] = []
    at = 0
    while at < len(lines):
        line, inside = lines[at]
        rows = table_at(lines, at)
        if rows:
            written += table([cells(line) for line, _ in rows])
            at += len(rows)
            continue
        at += 1
        if not inside:
            written.append(plain_line(line))
            continue
        begun, end = at - 1, at
        while end < len(lines) and lines[end][1] and not closes(lines[end - 1], opened=end - 1 > begun):
            end += 1
        written += block([each for each, _ in lines[begun:end]], inside)
        at = end
    return "\n".join(written)


def closes(line: tuple[str, str], *, opened: bool) -> bool:
    """Whether a line of a block ends it; its first one never does."""
    match = FENCE.match(line[0])
    return opened and match is not None and match[1].startswith(line[1]) and not match[2].strip()


def block(lines: Sequence[str], fence: str) -> list[str]:
    """A block of code that ends in Discord where it ends here: three backticks within it get an invisible gap."""
    ended = closes((lines[-1], fence), opened=len(lines) > 1)
    body = [TICKS.sub(lambda ticks: "\u200b".join(ticks[0]), line) for line in (lines[1:-1] if ended else lines[1:])]
    indent, _, info = lines[0].partition(fence)
    return [f"{indent}```{info}", *body, *([f"{indent}```"] if ended else [])]


def plain_line(line: str) -> str:
    """A line outside of code."""
    if match := DEEP.match(line):
        return f"**{inline(match[1].strip('*'))}**"
    if RULE.match(line):
        return "———"
    return inline(line)


def inline(line: str) -> str:
    """Signs within a line, but not in code."""
    if "_" not in line and "![" not in line:
        return line
    written: list[str] = []
    at = 0
    for code in CODE.finditer(line):
        written += [marks(line[at : code.start()]), code.group()]
        at = code.end()
    return "".join([*written, marks(line[at:])])


def marks(text: str) -> str:
    with_links = IMAGE.sub(lambda match: f"🖼 [{match[1] or 'image'}]({match[2]})", text)
    return STRONG.sub(r"**\1**", with_links)


def table_at(lines: Sequence[tuple[str, str]], at: int) -> Sequence[tuple[str, str]]:
    """The lines of a table that begins here; none where none does."""
    head = lines[at]
    if head[1] or "|" not in head[0] or at + 1 >= len(lines):
        return ()
    border, inside = lines[at + 1]
    if inside or "-" not in border or not BORDER.match(border) or len(cells(border)) != len(cells(head[0])):
        return ()
    end = at + 2
    while end < len(lines) and not lines[end][1] and "|" in lines[end][0] and ROW.match(lines[end][0]):
        end += 1
    return lines[at:end]


def cells(line: str) -> list[str]:
    """The cells of a row."""
    row = line.strip().removeprefix("|")
    row = row[:-1] if row.endswith("|") and not row.endswith("\\|") else row
    return [cell.strip().replace("\\|", "|") for cell in CELL.split(row)]


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """A table as a block of code with columns; a wide one as a list, with the head's words before each cell."""
    head, body = rows[0], rows[2:]
    count = len(head)
    full = [head, *([*row, *[""] * count][:count] for row in body)]
    widths = [max(width(row[column]) for row in full) for column in range(count)]
    tail = [" | ".join(row[count:]) for row in body if any(row[count:])]
    if sum(widths) + 3 * (count - 1) > MAX_WIDTH or any("```" in cell for row in full for cell in row):
        lines = [
            f"- {'; '.join(f'{name}: {cell}' if name else cell for name, cell in pairs(head, row))}" for row in full[1:]
        ]
        return [*(lines or [inline(" | ".join(head))]), *tail]
    line = "-+-".join("-" * each for each in widths)
    drawn = [" | ".join(padded(cell, widths[index]) for index, cell in enumerate(row)).rstrip() for row in full]
    return ["```", drawn[0], line, *drawn[1:], *tail, "```"]


def pairs(head: Sequence[str], row: Sequence[str]) -> list[tuple[str, str]]:
    return [(inline(name), inline(cell)) for name, cell in zip(head, row, strict=False) if cell]


def width(text: str) -> int:
    """Columns of a text in a font of fixed width; wide characters take two."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def padded(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))
