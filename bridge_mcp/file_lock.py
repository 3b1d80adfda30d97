"""The lock of a file: one process holds it, and the system gives it back when that process is gone, however it went.

No lease has to be renewed, and nobody has to say goodbye. The system's call is used as it is: a library for it loads
some 140 modules, which takes longer than a hook may, and than the engine should.
"""

from __future__ import annotations

import os
import sys

from bridge_mcp.core.errors import StoreError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["FileLock", "is_held"]

OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)


class FileLock:
    """The lock of the file at a path, which is made for this user alone; the file stays when the lock is released."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._file = -1

    def acquire(self) -> bool:
        """Take the lock if it is free, and say whether this process holds it now. Never waits.

        Raises:
            StoreError: its folder cannot hold locks.
        """
        try:
            while self._file < 0:
                descriptor = os.open(self.path, OPEN, 0o600)
                if not locked(descriptor):
                    os.close(descriptor)
                    return False
                if same(descriptor, self.path):
                    self._file = descriptor
                else:  # removed between the two
                    os.close(descriptor)
        except OSError as exc:
            raise StoreError.of_lock(self.path, exc) from exc
        return True

    def release(self) -> None:
        """Give it back, if it is held."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1


def is_held(path: str | os.PathLike[str]) -> bool:
    """Whether any process holds the lock of a file; nobody holds that of one that is not there."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        return not locked(descriptor)
    except OSError:
        return True
    finally:
        os.close(descriptor)


def locked(descriptor: int) -> bool:
    """Take the lock of an open file, which lasts until it is closed; False if another process holds it.

    Raises:
        OSError: there are no locks here.
    """
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def same(descriptor: int, path: str) -> bool:
    """Whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
