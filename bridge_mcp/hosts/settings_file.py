"""Settings files of other programs: read whole, replaced whole or not at all, with a copy of what was there."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from bridge_mcp.core.errors import BadInput, room_or

__all__ = ["BACKUP", "put", "read", "write"]

BACKUP = ".before-bridge-mcp"
"""The end of the name of the copy that keeps a file as it was before."""
MAX_FILE = 32_000_000
"""Bytes. Claude Code keeps the history of every project in the file that names its servers."""


def read(file: Path) -> str | None:
    """The text of a settings file; None where there is none.

    Raises:
        BadInput: it cannot be read, is no UTF-8, or too long.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise BadInput(f"{file} cannot be read: {exc.strerror}.", fix="Mind its permissions.") from None
    if len(data) > MAX_FILE:
        raise BadInput(f"{file} is too long.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise BadInput(f"{file} is not UTF-8 at byte {exc.start}.", fix="Save it as UTF-8.") from None


def write(file: Path, text: str, before: str | None) -> Path | None:
    """Put a text in the place of a file's, whole or not at all; where the file was before, if it was there.

    A link stays a link: the file that it leads to is changed. A file of ours that says nothing any more goes.

    Raises:
        BadInput: it is no longer what it was `before`, since its program wrote it meanwhile; or it is read-only, or
            cannot be written.
    """
    real = Path(os.path.realpath(file))
    try:
        return replaced(real, text, before)
    except OSError as exc:
        raise BadInput(f"{file} cannot be written: {exc.strerror}.", fix=room_or(exc, "Mind its permissions.")) from exc


def replaced(real: Path, text: str, before: str | None) -> Path | None:
    backup: Path | None = None
    mode = 0o600
    if before is not None:
        mode = real.stat().st_mode & 0o777
        if not mode & 0o222:
            raise BadInput(f"{real} is read-only.", fix=f"Somebody wanted that; to have it changed: chmod u+w '{real}'")
        backup = real.with_name(f"{real.name}{BACKUP}")
        put(backup, before, mode)
    real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if read(real) != before:
        raise BadInput(f"{real} was changed meanwhile by another program.", fix="Run this again.")
    if not text:
        with suppress(FileNotFoundError):
            real.unlink()
        return backup
    put(real, text, mode)
    return backup


def put(file: Path, text: str, mode: int) -> None:
    """Write a file beside its place, and move it there."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(text.encode())
            opened.flush()
            os.fsync(opened.fileno())
        os.chmod(name, mode)
        os.replace(name, file)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)
