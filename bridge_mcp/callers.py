"""Processes that run calls themselves: each holds the lock of a file for as long as it lives, and any other can look.

This module loads next to nothing: loading more takes longer than a hook may.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager

from bridge_mcp.core.errors import StoreError
from bridge_mcp.file_lock import FileLock, is_held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["CallerLock", "FileCallers", "caller_lives", "sweep"]

DIGITS = 16
"""Hex digits of a name."""
OLD_S = 3600.0
"""How old a file must be before it can be one that was left behind."""


class CallerLock:
    """The lock of this process, held as a context. `name` is what its calls are known to be run by."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.name = os.urandom(DIGITS // 2).hex()
        self.folder = os.fspath(folder)
        self._lock = FileLock(path_of(folder, self.name))

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            StoreError: its folder cannot hold locks.
        """
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
        except OSError as exc:
            raise StoreError.of_lock(self._lock.path, exc) from exc
        self._lock.acquire()  # nobody else knows the name
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
        quietly(os.unlink, self._lock.path)


class FileCallers:
    """See `ports.Callers`: on this machine, by the locks of files in a folder. One that is stopped lives."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = folder

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[str]:
        """See `ports.Callers`."""
        with CallerLock(self._folder) as lock:
            yield lock.name

    async def living(self, names: Collection[str]) -> frozenset[str]:
        """See `ports.Callers`."""
        return frozenset(name for name in names if caller_lives(self._folder, name))


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
    removed = 0
    try:
        with os.scandir(folder) as entries:
            old = [
                entry.path for entry in entries if entry.name.endswith(".lock") and entry.stat().st_mtime < now - OLD_S
            ]
    except OSError:
        return 0
    for path in old:
        if not is_held(path):
            quietly(os.unlink, path)
            removed += not os.path.exists(path)
    return removed


def path_of(folder: str | os.PathLike[str], name: str) -> str:
    return os.path.join(folder, f"{name}.lock")


def quietly(call: Callable[[str], None], path: str) -> None:
    """Do something to a file, if it is there and can be done."""
    try:
        call(path)
    except OSError:
        return
