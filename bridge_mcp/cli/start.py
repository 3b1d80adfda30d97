"""The first look at the command line: what a host waits for starts at once, all else loads the commands first."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code: 0 fine, 1 an error that was told, 2 wrong usage."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    take_any_text()
    if arguments == ["--version"]:
        from bridge_mcp import __version__

        print(__version__)  # noqa: T201
        return 0
    if arguments[:1] == ["hook"] and (code := hooked(arguments[1:])) is not None:
        return code
    from bridge_mcp.cli.start_options import parse_gate, parse_stdio

    options, behind_gate = parse_stdio(arguments), parse_gate(arguments)
    try:
        if behind_gate is not None:
            gc.disable()
            from bridge_mcp.cli import gate

            return gate.serve(behind_gate)
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


def hooked(arguments: Sequence[str]) -> int | None:
    """Answer an agent's hook; the exit code, or None where something else is wanted of this command."""
    gc.disable()  # what waits for people turns it on again
    from bridge_mcp.cli.hook import parse_hook, run

    options = parse_hook(arguments)
    return None if options is None else run(options)


def take_any_text() -> None:
    """Have the standard streams replace what their encoding does not know: a pipe of another encoding is no error."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
