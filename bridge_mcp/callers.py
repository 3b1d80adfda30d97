"""Processes that run calls themselves: each holds the lock of a file for as long as it lives, and any other can look.

The lock is the system's, which gives it back when the process is gone, however it went: no lease has to be renewed, and
nobody has to say goodbye. It is taken without the library that holds the engine's place: loading that takes longer than
a hook may.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from bridge_mcp.core.errors import StoreError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["CallerLock", "caller_lives"]

NAME = re.compile(r"[0-9a-f]{16}")


class CallerLock:
    """The lock of this process, held as a context. `name` is what its calls are known to be run by."""

    def __init__(self, folder: Path) -> None:
        self.name = secrets.token_hex(8)
        self._path = path_of(folder, self.name)
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            StoreError: its folder cannot hold locks.
        """
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = open(self._path, "xb", opener=for_the_owner)
            lock(self._file.fileno())
        except OSError as exc:
            raise StoreError(
                f"{self._path} cannot be locked: {exc.strerror or exc}.",
                fix="Put the state folder on a local disk (BRIDGE_MCP_STATE_DIR).",
            ) from exc
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        with suppress(OSError):
            self._path.unlink()


def caller_lives(folder: Path, name: str) -> bool:
    """Whether the process of this name lives. What a dead one has left behind is taken away."""
    if not NAME.fullmatch(name):
        return False
    path = path_of(folder, name)
    try:
        with path.open("r+b") as file:
            lock(file.fileno())
    except FileNotFoundError:
        return False
    except OSError:
        return True
    with suppress(OSError):
        path.unlink()
    return False


def path_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.lock"


def for_the_owner(path: str, flags: int) -> int:
    """Open a file that nobody but this user can read."""
    return os.open(path, flags, 0o600)


def lock(descriptor: int) -> None:
    """Take the lock of an open file, which lasts until it is closed.

    Raises:
        OSError: another process holds it.
    """
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
