"""Files kept by the hash of what they hold, in one folder of bounded size. Knows nothing of who wants them.

`folder/ab/abcdef…`: the name is the SHA-256 of the bytes, so the same bytes are kept once, and no name comes from
outside. When the folder grows beyond its limit, the files that were not used for the longest are removed: a reference
in an old log entry then says so when it is read.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from contextlib import suppress
from pathlib import Path

import anyio.to_thread

from bridge_mcp.core.attachments import attachment_kind
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import BadInput, NotFound, StoreError
from bridge_mcp.core.file_names import plain_name
from bridge_mcp.ports import KEPT

__all__ = ["MAX_FOLDER", "MAX_KEPT_FILE", "ROOM", "FileFolder", "check_size", "hash_of", "removed"]

MAX_KEPT_FILE = 20_000_000
MAX_FOLDER = 1_000_000_000
"""Bytes."""
ROOM = 0.9
"""How full the folder is after files were removed: else every file would remove another."""

REF = re.compile(rf"{KEPT}([0-9a-f]{{64}})")


def check_size(data: bytes, most: int) -> None:
    """Raise where a file is larger than one may be.

    Raises:
        BadInput: it is.
    """
    if len(data) > most:
        raise BadInput(
            f"A file of {len(data):,} bytes is too large to keep: the limit is {most:,}.",
            fix="Raise max_file_mb in [store], or use a smaller file.",
        )


def hash_of(ref: str) -> str:
    """The SHA-256 in a reference.

    Raises:
        NotFound: it is no reference of ours.
    """
    found = REF.fullmatch(ref)
    if found is None:
        raise NotFound(f"'{ref[:100]}' is not a file of the bridge.", fix="Pass a reference as a message shows it.")
    return found[1]


def removed() -> NotFound:
    """The error for a file that was kept and is not there."""
    return NotFound(
        "This file was removed to make room for newer ones.", fix="Raise max_files_mb in [store] to keep more."
    )


class FileFolder:
    """See `ports.Files`. Any number of processes may use one folder; it is made with the first file."""

    def __init__(self, folder: Path, *, max_file: int = MAX_KEPT_FILE, max_folder: int = MAX_FOLDER) -> None:
        self.folder = folder
        self.max_file = max_file
        self.max_folder = max_folder
        self._size: int | None = None  # as last counted, and what was added since
        self._lock = threading.Lock()

    async def put(self, data: bytes, *, mime: str = "", name: str = "") -> Attachment:
        """See `ports.Files`."""
        check_size(data, self.max_file)
        digest = await anyio.to_thread.run_sync(self.keep, data)
        return Attachment(f"{KEPT}{digest}", attachment_kind(mime), mime, name=plain_name(name), size=len(data))

    async def read(self, ref: str) -> bytes:
        """See `ports.Files`."""
        try:
            return await anyio.to_thread.run_sync(self._read, self._path(hash_of(ref)))
        except FileNotFoundError:
            raise removed() from None
        except OSError as exc:
            raise StoreError(f"{exc.filename} cannot be read: {exc.strerror}.") from exc

    async def remove(self, ref: str) -> None:
        """See `ports.Files`.

        Raises:
            StoreError: the folder cannot be written.
        """
        found = REF.fullmatch(ref)
        if found is not None:
            try:
                await anyio.to_thread.run_sync(self._path(found[1]).unlink, True)
            except OSError as exc:
                raise StoreError(f"{exc.filename} cannot be removed: {exc.strerror}.") from exc

    # -- on a thread ------------------------------------------------------------------------------------------

    def _path(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest

    @staticmethod
    def _read(path: Path) -> bytes:
        data = path.read_bytes()
        with suppress(OSError):
            os.utime(path)  # it is in use: the last to be removed
        return data

    def keep(self, data: bytes) -> str:
        """Write the bytes, unless they are there; their SHA-256.

        Raises:
            StoreError: the folder cannot be written.
        """
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        try:
            with suppress(FileNotFoundError):
                os.utime(path)
                return digest
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            beside = path.with_name(f".{digest}.{os.getpid()}.{threading.get_ident()}")
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())  # the log entry that names it is on disk when it is told of, too
            beside.replace(path)
            self._make_room(len(data))
        except OSError as exc:
            raise StoreError(
                f"A file cannot be kept in {self.folder}: {exc.strerror or exc}.",
                fix="Free some space there, and let this user write to it.",
            ) from exc
        return digest

    def _make_room(self, added: int) -> None:
        """Remove what was not used for the longest, when there is too much."""
        with self._lock:
            if self._size is not None and self._size + added <= self.max_folder:
                self._size += added
                return
            found = sorted(self._files())
            self._size = sum(size for _, size, _ in found)
            if self._size <= self.max_folder:
                return
            for _, size, path in found:
                if self._size <= self.max_folder * ROOM:
                    break
                with suppress(FileNotFoundError):  # another process was first
                    path.unlink()
                self._size -= size

    def _files(self) -> list[tuple[float, int, Path]]:
        """When each was last used, its size, its place."""
        found: list[tuple[float, int, Path]] = []
        for path in self.folder.glob("??/*"):
            with suppress(FileNotFoundError):
                told = path.stat()
                found.append((told.st_mtime, told.st_size, path))
        return found
