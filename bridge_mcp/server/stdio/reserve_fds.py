"""Keeps the process's standard input and output for the protocol alone, at the level of file descriptors.

Imports nothing heavy, so that a command can call `claim` in its first line, before anything else can print. Knows
nothing of MCP.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

__all__ = ["Wire", "claim"]


@dataclass(frozen=True, slots=True)
class Wire:
    """Private duplicates of the descriptors that were standard input and output; no child process inherits them."""

    read_fd: int
    write_fd: int

    def release(self) -> None:
        """Put both back where they were, blocking as before, and close the duplicates."""
        flush()
        for private, public in ((self.read_fd, 0), (self.write_fd, 1)):
            if sys.platform != "win32":
                os.set_blocking(private, True)
            os.dup2(private, public)
            os.close(private)


def claim() -> Wire:
    """Take descriptors 0 and 1 for the protocol.

    From now on 0 reads the null device and 1 is standard error: what this process or its children print by accident
    reaches whoever reads the log, and never the peer.

    Raises:
        OSError: standard input or output is closed.
    """
    flush()
    wire = Wire(private(0), private(1))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # standard error is closed: what is printed by accident has nowhere to go
        os.dup2(null, 1)
    os.close(null)
    return wire


def flush() -> None:
    """Let out what was printed before, to where it was meant. A process may have been started without an output."""
    if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdout.flush()


def private(fd: int) -> int:
    """A duplicate above the standard three, even where one of those is closed."""
    if sys.platform == "win32":
        return os.dup(fd)
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
