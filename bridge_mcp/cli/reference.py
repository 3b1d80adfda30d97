"""The command `reference`: config keys, tools, commands, events and errors, as the code has them."""

from __future__ import annotations

import sys

from bridge_mcp.cli.output import console
from bridge_mcp.reference import Part, drawn

__all__ = ["reference"]


def reference(part: Part | None = None, /) -> int:
    """Print the reference, or one part of it: Markdown, shown as such on a terminal.

    Parameters
    ----------
    part
        Which part; without it, all of them.
    """
    text = drawn(part)
    if sys.stdout.isatty():
        from rich.markdown import Markdown

        out = console()
        with out.capture() as captured:
            out.print(Markdown(text))
        text = "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
    sys.stdout.write(text)
    return 0
