"""The file of a backup: a ZIP archive with the store, the kept files by their hash, and a manifest.

    store.db                  the SQLite file, deflated
    files/<sha256>            one for each kept file, as it is
    manifest.json             version, times, sizes, and the hash of the store

An archive may come from anybody, and is read as such: it is checked whole, in a folder of its own, before anything else
is touched. No name in it becomes a path: there are the two fixed names, and names of 64 hexadecimal digits. Sizes are
bounded by what the manifest says, and that by the room on the disk. The directory of the archive is bounded before the
library reads it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from bridge_mcp.core.errors import BadInput, BadJSON, StoreError
from bridge_mcp.core.json_reader import read_json

__all__ = ["FORMAT", "STORE", "Manifest", "Progress", "pack", "unpack"]

FORMAT = 1
"""The version of the archive's shape."""

STORE, MANIFEST, FILES = "store.db", "manifest.json", "files/"
FILE_NAME = re.compile(r"files/([0-9a-f]{64})")
CHUNK = 1 << 20
MAX_MEMBERS = 1_000_000
MAX_DIRECTORY = 200_000_000
"""Bytes of the archive's directory, which is read into memory."""
MAX_MANIFEST = 100_000
SPARE = 50_000_000
"""Bytes that stay free on the disk."""

END = struct.Struct("<4s4H2LH")
"""End of central directory record (APPNOTE.TXT 4.3.16)."""
END_64 = struct.Struct("<4sQ2H2L4Q")
"""Zip64 end of central directory record (4.3.14)."""
LOCATOR_SIZE = 20

Progress = Callable[[str, int, int], None]
"""Hears what is done, how many bytes of it, and of how many."""


class Manifest(Struct, frozen=True):
    """What an archive says of itself."""

    format: int
    made_at: float
    """Epoch seconds."""
    version: str
    """Of the bridge that made it."""
    schema: int
    """Of the store."""
    conversations: int
    entries: int
    store_bytes: int
    store_sha256: str
    files: int
    file_bytes: int


BROKEN = "{} is no whole backup of bridge-mcp: {}."
NOTHING = "Nothing was changed. Use another copy of it, or an older backup."


def pack(target: Path, store: Path, files: Path, manifest: Manifest, progress: Progress) -> Manifest:
    """Write an archive, for its owner alone; it is there whole, or not at all. The manifest as it stands in it.

    Raises:
        StoreError: the disk is full, or the file cannot be written.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            with zipfile.ZipFile(out, "w", allowZip64=True) as archive:
                digest, size = add(archive, STORE, store, zipfile.ZIP_DEFLATED, progress)
                count, total = 0, 0
                for path in sorted(files.glob("??/*")):
                    if FILE_NAME.fullmatch(f"{FILES}{path.name}") and path.is_file() and not path.is_symlink():
                        try:
                            _, added = add(archive, f"{FILES}{path.name}", path, zipfile.ZIP_STORED, progress)
                        except FileNotFoundError:  # it was removed to make room meanwhile
                            continue
                        count, total = count + 1, total + added
                made = replace(manifest, store_bytes=size, store_sha256=digest, files=count, file_bytes=total)
                archive.writestr(MANIFEST, json.dumps(asdict(made)), zipfile.ZIP_STORED)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, target)
    except OSError as exc:
        raise StoreError(f"{target} cannot be written: {exc.strerror or exc}.", fix="Name another place.") from exc
    finally:
        part.unlink(missing_ok=True)
    return made


def add(archive: zipfile.ZipFile, name: str, path: Path, how: int, progress: Progress) -> tuple[str, int]:
    """Add a file; the SHA-256 of its bytes, and their number."""
    with path.open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        info = zipfile.ZipInfo(name)
        info.compress_type, info.external_attr = how, 0o600 << 16
        digest, done = hashlib.sha256(), 0
        with archive.open(info, "w", force_zip64=True) as out:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                out.write(chunk)
                done += len(chunk)
                progress(name, done, size)
    return digest.hexdigest(), done


def unpack(source: Path, folder: Path, progress: Progress) -> Manifest:
    """Take an archive apart into an empty folder: `store.db`, and `files/` by hash, every byte of it checked.

    Raises:
        BadInput: it is no backup, or one that is broken, or of a newer bridge.
        StoreError: there is no room for it.
    """
    try:
        check_directory(source)
        with zipfile.ZipFile(source) as archive:
            return take_apart(archive, source, folder, progress)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error) as exc:
        # zipfile raises NotImplementedError for an unknown compression, and RuntimeError for a member with a password.
        raise BadInput(BROKEN.format(source, exc), fix=NOTHING) from exc
    except FileNotFoundError as exc:
        raise BadInput(f"There is no file {exc.filename}.", fix="Name a file that `bridge-mcp backup` made.") from exc
    except OSError as exc:
        raise StoreError(f"{source} cannot be unpacked: {exc.strerror or exc}.", fix=NOTHING) from exc


def check_directory(source: Path) -> None:
    """Raise where the archive's directory is too large to be read, or not where our archives have it.

    Raises:
        BadInput: so it is.
    """
    size = source.stat().st_size
    with source.open("rb") as file:
        file.seek(max(0, size - END.size - LOCATOR_SIZE - END_64.size))
        tail = file.read()
    if len(tail) < END.size or not tail[-END.size :].startswith(b"PK\5\6"):
        raise BadInput(BROKEN.format(source, "its end is missing"), fix=NOTHING)
    *_, members, length, _, _ = END.unpack(tail[-END.size :])
    large = tail[: END_64.size]
    if members == 0xFFFF or length == 0xFFFFFFFF:
        if len(large) < END_64.size or not large.startswith(b"PK\6\6"):
            raise BadInput(BROKEN.format(source, "its directory cannot be read"), fix=NOTHING)
        *_, members, length, _ = END_64.unpack(large)
    if members > MAX_MEMBERS or length > MAX_DIRECTORY:
        raise BadInput(BROKEN.format(source, f"it lists {members:,} files"), fix=NOTHING)


def take_apart(archive: zipfile.ZipFile, source: Path, folder: Path, progress: Progress) -> Manifest:
    manifest = manifest_of(archive, source)
    members = list(checked_members(archive, source, manifest))
    free = shutil.disk_usage(folder).free
    if manifest.store_bytes + manifest.file_bytes + SPARE > free:
        needed = (manifest.store_bytes + manifest.file_bytes) // 1_000_000
        raise StoreError(f"{folder} has no room for the {needed:,} MB of this backup.", fix="Free some space there.")
    os.mkdir(folder / "files", 0o700)
    for info in members:
        digest = copied(archive, info, folder / info.filename, progress)
        wanted = manifest.store_sha256 if info.filename == STORE else info.filename.removeprefix(FILES)
        if digest != wanted:
            raise BadInput(BROKEN.format(source, f"{info.filename} is not what was backed up"), fix=NOTHING)
    return manifest


def checked_members(archive: zipfile.ZipFile, source: Path, manifest: Manifest) -> Iterator[zipfile.ZipInfo]:
    """The members beside the manifest, each of a known name, once, and of the sizes that the manifest tells."""
    seen: set[str] = set()
    total = {STORE: 0, FILES: 0}
    for info in archive.infolist():
        name = info.filename
        if name in seen or not (name in (STORE, MANIFEST) or FILE_NAME.fullmatch(name)):
            raise BadInput(BROKEN.format(source, f"it holds {name[:80]!r}"), fix=NOTHING)
        seen.add(name)
        if name != MANIFEST:
            total[STORE if name == STORE else FILES] += info.file_size
            yield info
    told = (manifest.store_bytes, manifest.file_bytes, manifest.files)
    if STORE not in seen or (total[STORE], total[FILES], len(seen) - 2) != told:
        raise BadInput(BROKEN.format(source, "its sizes are not those of its manifest"), fix=NOTHING)


def copied(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, progress: Progress) -> str:
    """Unpack one member, of as many bytes as it says at most; the SHA-256 of its bytes."""
    digest, done = hashlib.sha256(), 0
    with archive.open(info) as inside, os.fdopen(os.open(target, NEW, 0o600), "wb") as out:
        while chunk := read_some(inside):
            done += len(chunk)
            if done > info.file_size:
                raise zipfile.BadZipFile(f"{info.filename} is longer than it says")
            digest.update(chunk)
            out.write(chunk)
            progress(info.filename, done, info.file_size)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def read_some(inside: IO[bytes]) -> bytes:
    return inside.read(CHUNK)


def manifest_of(archive: zipfile.ZipFile, source: Path) -> Manifest:
    """What the archive says of itself.

    Raises:
        BadInput: it says nothing, or nothing that can be right.
    """
    try:
        info = archive.getinfo(MANIFEST)
    except KeyError:
        raise BadInput(BROKEN.format(source, "it has no manifest"), fix=NOTHING) from None
    if info.file_size > MAX_MANIFEST:
        raise BadInput(BROKEN.format(source, "its manifest is too long"), fix=NOTHING)
    with archive.open(info) as inside:
        raw = inside.read(MAX_MANIFEST + 1)
    try:
        told: Any = read_json(raw.decode("utf-8", "replace"), max_depth=2)
        format = number(told["format"])
    except (BadJSON, KeyError, TypeError, ValueError) as exc:
        raise BadInput(BROKEN.format(source, "its manifest is no manifest"), fix=NOTHING) from exc
    if format > FORMAT:
        raise BadInput(
            f"{source} was made by a newer bridge-mcp.",
            fix="Upgrade mcp-chat-bridge to the version that made it. Nothing was changed.",
        )
    try:
        return Manifest(**{name: KINDS[name](told[name]) for name in KINDS})
    except (KeyError, TypeError, ValueError) as exc:
        raise BadInput(BROKEN.format(source, "its manifest is not one of ours"), fix=NOTHING) from exc


def number(value: object) -> int:
    """A number that counts something.

    Raises:
        ValueError: it is none.
    """
    if type(value) is not int or not 0 <= value < 2**60:
        raise ValueError(value)
    return value


def moment(value: object) -> float:
    """A time in epoch seconds, of before the year 5138: any system can write it as a date.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise ValueError(value)
    return float(value)


KINDS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("format", "schema", "conversations", "entries"), number),
    **dict.fromkeys(("store_bytes", "files", "file_bytes"), number),
    **{"made_at": moment, "version": str, "store_sha256": str},
}
