"""The first look at the command line: plain stdio serving starts at once, everything else loads the commands first."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["StdioOptions", "main", "parse_stdio"]


@dataclass(frozen=True, slots=True)
class StdioOptions:
    """What may stand behind a plain `bridge-mcp`; None is: not said."""

    config: str | None = None
    scopes: str | None = None
    log_level: str | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code: 0 fine, 1 an error that was told, 2 wrong usage."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    take_any_text()
    if arguments == ["--version"]:
        from bridge_mcp import __version__

        print(__version__)  # noqa: T201
        return 0
    options = parse_stdio(arguments)
    try:
        if options is not None:
            # Collecting what the imports make costs a tenth of the start; serving turns it on again.
            gc.disable()
            from bridge_mcp.cli.stdio import serve

            return serve(options)
        from bridge_mcp.cli.app import run

        return run(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read the output has seen enough (`… | head`); flushing it again at exit would only complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def take_any_text() -> None:
    """Have the standard streams replace what their encoding does not know: a pipe of another encoding is no error."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def parse_stdio(arguments: Sequence[str]) -> StdioOptions | None:
    """The options of plain stdio serving; None when this is anything else, mistakes included."""
    found: dict[str, str] = {}
    left = list(arguments)
    while left:
        name, equals, value = left.pop(0).partition("=")
        key = name.removeprefix("--").replace("-", "_")
        if name not in ("--config", "--scopes", "--log-level") or key in found or not (equals or left):
            return None
        found[key] = value if equals else left.pop(0)
        if found[key].startswith("-"):
            return None
    return StdioOptions(**found)
