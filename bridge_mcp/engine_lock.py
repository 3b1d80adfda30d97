"""The engine's place: one process per store holds it by the lock of a file, and tells all others that it is alive.

The lock is the system's, which gives it back when the process is gone, however it went. Whoever holds it says every few
seconds, in a file beside it, that it is alive, and how its writes fare: a process that is stopped or starved keeps the
lock, and would be invisible. The file is written in place, so that a full disk does not hide the news.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec.structs import asdict, replace

from bridge_mcp.core.errors import PlaceLost, StoreError
from bridge_mcp.file_lock import FileLock
from bridge_mcp.ports import Pulse

__all__ = ["PulseFile", "Seal", "engine_lives", "make_lock", "owner_of"]

SIZE = 2048
"""Bytes of the file: always as many, so that writing it takes no room."""


OWNER_S = 3.0
"""How long a process waits for the right to migrate: another one that migrates is done by then."""

OLDER = "The store is of an older bridge_mcp, and the engine that works with it, {}, still runs."
THEN_MIGRATED = "End that process (or the MCP host that started it), then start this one again: it migrates the store."
"""An engine of an older version must not find its store migrated."""


def make_lock(path: Path) -> FileLock:
    """The lock that the engine holds; nobody but this user can read its file, or hold it."""
    with suppress(OSError):  # one of an earlier version, or a stranger's: the lock itself tells what is wrong with it
        os.chmod(path, 0o600)
    return FileLock(path)


def engine_lives(path: Path) -> bool:
    """Whether a process holds the engine's place just now; the status may still tell of one that was killed.

    Raises:
        StoreError: its folder cannot hold locks.
    """
    lock = make_lock(path)
    if not lock.acquire():
        return True
    lock.release()
    return False


@contextmanager
def owner_of(path: Path, pulse: PulseFile, told: str = OLDER, fix: str = THEN_MIGRATED) -> Generator[None]:
    """Hold the engine's place while a store is changed that no engine may work with meanwhile.

    Raises:
        StoreError: another process is the engine: `told` with its name, and the `fix`.
    """
    lock = make_lock(path)
    deadline = time.monotonic() + OWNER_S
    while not (acquired := lock.acquire()) and time.monotonic() < deadline:
        time.sleep(0.05)  # somebody else may be migrating just now
    if not acquired:
        owner = pulse.read()
        owner_name = f"process {owner.pid}" if owner else "another process"
        raise StoreError(told.format(owner_name), fix=fix)
    try:
        yield
    finally:
        lock.release()


class Seal:
    """Knows the file of a held lock again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = self._look()

    def check(self) -> None:
        """Raise where the lock that was taken is no longer the one at its path.

        Raises:
            PlaceLost: its file was removed or replaced, so that another process can be the engine too.
        """
        if self._look() != self._known:
            raise PlaceLost(
                f"{self._path} was removed or replaced while this process was the engine: it steps down.",
                fix="Leave that file alone; the engine is found again within seconds.",
            )

    def _look(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino


class PulseFile:
    """Where the engine says that it is alive."""

    def __init__(self, lock_path: Path) -> None:
        self.path = lock_path.with_suffix(".pulse")

    def write(self, pulse: Pulse) -> None:
        """Say it.

        Raises:
            OSError: it cannot be written.
        """
        bounded = replace(pulse, error=pulse.error[:200], held=pulse.held[:200])
        text = json.dumps(asdict(bounded), ensure_ascii=False).encode("utf-8", "replace")
        opened = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.write(opened, text.ljust(SIZE))
        finally:
            os.close(opened)

    def read(self) -> Pulse | None:
        """What the engine said last; None where none ever did, or it was cut off."""
        try:
            return Pulse(**json.loads(self.path.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
