"""Processes that run calls themselves: each holds the lock of a file for as long as it lives, and any other can look.

The lock is the system's, which gives it back when the process is gone, however it went: no lease has to be renewed, and
nobody has to say goodbye. It is taken without the library that holds the engine's place, and this module loads next to
nothing: loading more takes longer than a hook may.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from bridge_mcp.core.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["CallerLock", "caller_lives", "is_held", "sweep"]

DIGITS = 16
"""Hex digits of a name."""
OLD_S = 3600.0
"""How old a file must be before it can be one that was left behind."""


class CallerLock:
    """The lock of this process, held as a context. `name` is what its calls are known to be run by."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.name = os.urandom(DIGITS // 2).hex()
        self._path = path_of(folder, self.name)
        self._file = -1

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            StoreError: its folder cannot hold locks.
        """
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            while not self._taken():
                continue
        except OSError as exc:
            raise StoreError.of_lock(self._path, exc) from exc
        return self

    def _taken(self) -> bool:
        """Make the file, and take its lock; False if it was swept between the two."""
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        lock(self._file)
        if os.path.exists(self._path):
            return True
        os.close(self._file)
        self._file = -1
        return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file >= 0:
            os.close(self._file)
        quietly(os.unlink, self._path)


def caller_lives(folder: str | os.PathLike[str], name: str) -> bool:
    """Whether the process of this name lives. What a dead one has left behind is taken away."""
    if len(name) != DIGITS or not set(name) <= set("0123456789abcdef"):
        return False
    path = path_of(folder, name)
    if is_held(path):
        return True
    quietly(os.unlink, path)
    return False


def sweep(folder: str | os.PathLike[str], now: float) -> int:
    """Take away what processes have left behind that were killed; how many files.

    A file that was made a moment ago may be about to be locked, so only those go that are older than an hour.
    """
    gone = 0
    try:
        with os.scandir(folder) as found:
            old = [each.path for each in found if each.name.endswith(".lock") and each.stat().st_mtime < now - OLD_S]
    except OSError:
        return 0
    for path in old:
        if not is_held(path):
            quietly(os.unlink, path)
            gone += not os.path.exists(path)
    return gone


def is_held(path: str | os.PathLike[str]) -> bool:
    """Whether any process holds the lock of a file; nobody holds that of one that is not there."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        lock(descriptor)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def path_of(folder: str | os.PathLike[str], name: str) -> str:
    return os.path.join(folder, f"{name}.lock")


def quietly(call: Callable[[str], None], path: str) -> None:
    """Do something to a file, if it is there and can be done."""
    try:
        call(path)
    except OSError:
        return


def lock(descriptor: int) -> None:
    """Take the lock of an open file, which lasts until it is closed.

    Raises:
        OSError: another process holds it.
    """
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
