"""How commands print: for an 80-column terminal, without anything that could disguise itself, or as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge_mcp.core.visible import escaped

__all__ = ["ago", "clock", "console", "dumped", "grid", "heading", "print_json", "state"]

STATES = {"ready": "green", "starting": "yellow", "connecting": "yellow", "degraded": "red", "stopped": "red"}


def console(*, stderr: bool = False) -> Console:
    """Where to print. Pipes get plain text and whole lines."""
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
    text = (
        f"{amount:.0f} s" if amount < 120 else f"{amount / 60:.0f} min" if amount < 7200 else f"{amount / 3600:.0f} h"
    )
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def state(word: str) -> Text:
    """A state with its colour."""
    return Text(f"● {word}", STATES.get(word, "dim"))


def heading(text: str) -> Text:
    return Text(text, "bold")


def grid(rows: Iterable[Iterable[str | Text]]) -> Table:
    """Columns without lines, indented; long cells fold instead of being cut."""
    table = Table.grid(padding=(0, 2, 0, 0))
    body = [list(row) for row in rows]
    for _ in range(max(map(len, body), default=0)):
        table.add_column(overflow="fold")
    for row in body:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return table


def dumped(value: Any) -> Any:
    """A value of ours as what JSON knows."""
    if is_dataclass(value) and not isinstance(value, type):
        return dumped(asdict(value))
    if isinstance(value, dict):
        return {str(key): dumped(each) for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [dumped(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print as JSON; characters that hide or turn others are escaped, which changes no value."""
    text = json.dumps(dumped(value), indent=indent, ensure_ascii=False)
    sys.stdout.write(escaped(text) + "\n")
    sys.stdout.flush()
