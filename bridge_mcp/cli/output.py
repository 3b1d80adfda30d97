"""How commands print: wrapped on a terminal, in whole lines elsewhere, and without anything that could disguise itself.

Nothing is ever cut off, and no line ends in blanks: what is printed is read by programs and pasted into commands.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any

from msgspec import Struct, structs
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.text import Text

from bridge_mcp.cli.texts import is_in, last_seen, was_ago
from bridge_mcp.core.safe_text import escaped

__all__ = [
    "Grid",
    "Hanging",
    "ago",
    "clock",
    "console",
    "drawn",
    "dumped",
    "grid",
    "heading",
    "indented",
    "print_json",
    "progress",
    "state",
]

GAP = 2
"""Blanks between columns."""

WRAPPED = 4
"""By how much further lines are indented where there is no room below the first."""

STATES = {"ready": "green", "starting": "yellow", "connecting": "yellow", "degraded": "red", "stopped": "red"}


def console(*, stderr: bool = False) -> Console:
    """Where to print. A terminal gets wrapped text; pipes get plain text in whole lines, however long."""
    file = sys.stderr if stderr else sys.stdout
    return Console(file=file, highlight=False, soft_wrap=not file.isatty(), emoji=False, markup=False)


def clock(at: float) -> str:
    """A time for people: of today without the date."""
    moment = time.localtime(at)
    today = time.localtime()
    same_day = moment[:3] == today[:3]
    return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M", moment)


def ago(at: float) -> str:
    """How long ago, or in how long."""
    seconds = time.time() - at
    amount = abs(seconds)
    span = (
        f"{amount:.0f} s" if amount < 120 else f"{amount / 60:.0f} min" if amount < 7200 else f"{amount / 3600:.0f} h"
    )
    return was_ago(span) if seconds >= 0 else is_in(span)


def state(word: str, *, now: bool = True) -> Text:
    """A state with its colour; grey if it is only how things were, because no engine runs `now`."""
    dot = drawn("●", "*")
    return Text(f"{dot} {word}", STATES.get(word, "dim")) if now else Text(f"{dot} {last_seen(word)}", "dim")


def drawn(sign: str, plain: str) -> str:
    """A sign, or a plain one where the encoding of standard output does not have it."""
    try:
        sign.encode(sys.stdout.encoding)
    except (UnicodeEncodeError, LookupError):
        return plain
    return sign


def heading(text: str) -> Text:
    """A bold line."""
    return Text(text, "bold")


class Hanging(Struct, frozen=True):
    """A text behind a head; where it wraps, its further lines stand below its first, or indented by a little."""

    head: Text
    body: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        whole = Text.assemble(self.head, self.body)
        indent, width = self.head.cell_len, options.max_width
        if options.no_wrap or whole.cell_len <= width:
            yield trimmed(whole)
        elif indent <= width // 2:
            first, *rest = self.body.wrap(console, width - indent) or [Text()]
            yield trimmed(Text.assemble(self.head, first))
            yield from (trimmed(Text.assemble(" " * indent, line)) for line in rest)
        else:
            first, *rest = whole.wrap(console, max(width - WRAPPED, 1))
            yield trimmed(first)
            yield from (trimmed(Text.assemble(" " * WRAPPED, line)) for line in rest)


class Grid(Struct, frozen=True):
    """Rows in columns, without lines between; the last cell of a row wraps, and nothing is cut."""

    rows: tuple[tuple[Text, ...], ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = max(map(len, self.rows), default=0)
        widths = [max((row[n].cell_len for row in self.rows if n + 1 < len(row)), default=0) for n in range(columns)]
        for row in self.rows:
            head = Text()
            for cell, width in zip(row[:-1], widths, strict=False):
                head.append_text(cell).append(" " * (width - cell.cell_len + GAP))
            yield Hanging(head, row[-1] if row else Text())


def grid(rows: Iterable[Iterable[str | Text]]) -> Grid:
    """Columns without lines; empty cells at the end of a row are left out."""
    cells = [tuple(Text(cell) if isinstance(cell, str) else cell for cell in row) for row in rows]
    return Grid(tuple(row[: max((n + 1 for n, cell in enumerate(row) if cell.plain), default=0)] for row in cells))


def indented(text: Text, by: int = 2) -> Group:
    """A text of several lines, each indented; on a terminal they wrap below themselves."""
    return Group(*(Hanging(Text(" " * by), line) for line in text.split("\n", allow_blank=True)))


def trimmed(line: Text) -> Text:
    """A line without blanks at its end."""
    line.rstrip()
    return line


@contextmanager
def progress(err: Console, about: str) -> Generator[Callable[[int, int], None]]:
    """A bar on a terminal while something takes long; tell it how much is done, and of how much. Pipes get none."""
    if not err.is_terminal:
        yield lambda done, of: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, expand=True) as bar:
        task = bar.add_task(about, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def dumped(value: Any) -> Any:
    """A value of ours as what JSON knows."""
    if isinstance(value, Struct):
        return dumped(structs.asdict(value))
    if isinstance(value, dict):
        return {str(key): dumped(each) for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [dumped(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print as JSON; characters that hide or turn others are escaped, which changes no value."""
    unicode = sys.stdout.encoding.lower().startswith("utf")
    text = json.dumps(dumped(value), indent=indent, ensure_ascii=not unicode)
    sys.stdout.write(escaped(text) + "\n")
    sys.stdout.flush()
