"""Reserves the process's standard input and output for the protocol, at the level of file descriptors.

Imports little, so that a command can call `claim` in its first line, before anything else can print. Knows nothing of
MCP.
"""

from __future__ import annotations

import os
import sys

from msgspec import Struct

__all__ = ["Wire", "claim"]


class Wire(Struct, frozen=True):
    """Private duplicates of the original descriptors 0 and 1; no child process inherits them."""

    read_fd: int
    write_fd: int

    def release(self) -> None:
        """Restore descriptors 0 and 1, in blocking mode as before, and close the duplicates."""
        flush()
        for private, public in ((self.read_fd, 0), (self.write_fd, 1)):
            if sys.platform != "win32":
                os.set_blocking(private, True)
            os.dup2(private, public)
            os.close(private)


def claim() -> Wire:
    """Take descriptors 0 and 1 for the protocol.

    From now on 0 reads the null device and 1 is standard error: accidental output of this process or its children goes
    to the log, and never to the peer.

    Raises:
        OSError: standard input or output is closed.
    """
    flush()
    wire = Wire(private(0), private(1))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # standard error is closed: accidental output is dropped
        os.dup2(null, 1)
    os.close(null)
    return wire


def flush() -> None:
    """Flush earlier output to its original destination. A process may have been started without a stdout."""
    if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdout.flush()


def private(fd: int) -> int:
    """A duplicate above descriptor 2, even if one of the standard three is closed."""
    if sys.platform == "win32":
        return os.dup(fd)
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
