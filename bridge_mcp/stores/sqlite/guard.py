"""Whether the file that was opened still is the store at its path, and who writes to it.

SQLite goes on with a file that was removed, and with tables that another program has altered: what is written then is
lost, or wrong. So the file is looked at before each commit (a `stat`, some microseconds), and the version in its head
every quarter of a second.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import sys
import time
from pathlib import Path

from bridge_mcp.core.errors import StoreLost

__all__ = ["Guard", "Holder", "is_stopped"]

RECORD = struct.Struct("=qd")
"""A process, and when it began to write (epoch seconds)."""


class Guard:
    """Knows a store's file again, and the version of its schema."""

    def __init__(self, path: Path, version: int) -> None:
        self.path, self.version = path, version
        status = path.stat()
        self.identity = (status.st_dev, status.st_ino)
        self._migrated_to: int | None = None

    def check_file(self) -> None:
        """Raise where the file is no longer the one that was opened.

        Raises:
            StoreLost: it is not the one at its path any more, or empty, or was seen to be migrated.
        """
        if self._migrated_to is not None:
            self.check_version(self._migrated_to)
        try:
            status = os.stat(self.path)
        except OSError as exc:
            raise StoreLost(
                f"The store {self.path} is gone: it was removed or moved while it was in use ({exc.strerror}).",
                fix="Put it back, or leave it: then start the bridge again. Nothing is written until then.",
            ) from None
        if (status.st_dev, status.st_ino) != self.identity:
            raise StoreLost(
                f"The store {self.path} was replaced by another file while it was in use.",
                fix="Start the bridge again.",
            )
        if not status.st_size:
            raise StoreLost(f"The store {self.path} was emptied while it was in use.", fix="Restore a backup of it.")

    def check_version(self, version: int) -> None:
        """Raise where the schema is no longer the one that was opened.

        Raises:
            StoreLost: another process has migrated the store.
        """
        if version != self.version:
            self._migrated_to = version  # whoever comes next is told, too, and not a quarter of a second later
            raise StoreLost(
                f"The store {self.path} was brought to schema version {version} by another bridge_mcp while this one, "
                f"which knows version {self.version}, had it open.",
                fix="Upgrade mcp-chat-bridge here too, then start it again.",
            )


class Holder:
    """Which process began to write last, noted where all can read it: whoever waits for long can say for whom.

    Best effort: where there can be no such file, nobody is named.
    """

    def __init__(self, path: Path) -> None:
        self._map: mmap.mmap | None = None
        with contextlib.suppress(OSError, ValueError):
            opened = os.open(path.with_name(f"{path.name}-writer"), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.ftruncate(opened, RECORD.size)
                self._map = mmap.mmap(opened, RECORD.size)
            finally:
                os.close(opened)

    def note(self) -> None:
        """This process begins to write."""
        if self._map is not None:
            RECORD.pack_into(self._map, 0, os.getpid(), time.time())

    def last(self) -> tuple[int, float]:
        """The process that began to write last, and when; 0 for nobody."""
        if self._map is None:
            return 0, 0.0
        pid, since = RECORD.unpack_from(self._map, 0)
        return pid, since

    def words(self) -> str:
        """Who holds the store, since when, and how to go on, for people."""
        pid, since = self.last()
        if not pid:
            return "another process is writing"
        for_s = max(0.0, time.time() - since)
        at = time.strftime("%H:%M:%S", time.localtime(since))
        how = "is stopped (SIGSTOP) in the middle of a write" if is_stopped(pid) else "has been writing"
        return f"process {pid} {how} since {at}, {for_s:.0f} s ago"

    def fix(self) -> str:
        """What the owner can do about the process that holds the store."""
        pid, _ = self.last()
        if not pid:
            return "End it, then try again."
        return f"Continue it (kill -CONT {pid}), or end it (kill -9 {pid}): what it had committed is safe."

    def close(self) -> None:
        """Unmap the file. Closing twice is fine."""
        if self._map is not None:
            self._map.close()
            self._map = None


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped, as far as the system tells (Linux)."""
    if sys.platform != "linux":
        return False
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[:1] in (["T"], ["t"])
