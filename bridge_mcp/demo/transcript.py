"""Prints what happens in the demo: the speaker on the left, in colour on a terminal, plain elsewhere."""

from __future__ import annotations

import textwrap
from pathlib import Path

from rich.text import Text

from bridge_mcp.cli.output import console
from bridge_mcp.core.safe_text import visible

__all__ = ["Transcript"]

WIDTH = 80
INDENT = 13
COLOURS = {"host": "magenta", "supervisor": "cyan", "bridge": "yellow", "chat": "green"}
TAIL = 15


class Transcript:
    """Prints as it happens."""

    def __init__(self) -> None:
        self._out = console()
        self._scene = 0
        self.checks = 0

    def title(self, text: str) -> None:
        """The headline."""
        self._out.print(Text(text, "bold"))

    def scene(self, text: str) -> None:
        """A new scene begins."""
        self._scene += 1
        self._out.print(Text(f"\n{self._scene}. {text}", "bold"))

    def says(self, who: str, text: str) -> None:
        """One of the parties says or does something."""
        first, *more = wrapped(text)
        line = Text("  ")
        line.append(f"{who:<{INDENT - 2}}", COLOURS[who])
        line.append(first)
        self._out.print(line)
        for each in more:
            self._out.print(Text(" " * INDENT + each))

    def verified(self, text: str) -> None:
        """Something was checked, and is so."""
        self.checks += 1
        first, *more = wrapped(text, mark=2)
        self._out.print(Text.assemble((" " * INDENT + "✓ ", "green"), (first, "dim")))
        for each in more:
            self._out.print(Text(" " * (INDENT + 2) + each, "dim"))

    def failed(self, text: str, log: Path | None) -> None:
        """Something is not as it should be: say so, with what the bridge logged last."""
        self._out.print(Text(f"\n✗ The demo failed: {visible(text)}", "bold red"))
        if log is not None and log.exists():
            self._out.print("What the bridge logged last:")
            for line in log.read_text("utf-8", "replace").splitlines()[-TAIL:]:
                self._out.print(Text(f"  {visible(line)}", "dim"))

    def end(self, seconds: float) -> None:
        """The last line, with the time it took."""
        self._out.print(
            Text(f"\nAll of it happened: {self.checks} checks, {seconds:.1f} s, nothing left behind.", "bold green")
        )


def wrapped(text: str, mark: int = 0) -> list[str]:
    """The lines of a text beside its speaker."""
    lines = [
        line
        for each in visible(text, lines=True).splitlines()
        for line in textwrap.wrap(each, WIDTH - INDENT - mark, break_on_hyphens=False) or [""]
    ]
    return lines or [""]
