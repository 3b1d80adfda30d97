"""Whole copies of a store: one taken while others work with it, and one that takes the place of a store nobody uses.

A copy is taken by SQLite's backup API within one read transaction: it holds what was committed when it began, however
much is written meanwhile, and holds up nobody. A store is replaced by a rename, under SQLite's exclusive lock and
without a write-ahead log, so a crash leaves the old file or the new one, and never the log of one beside the other.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

from bridge_mcp.core.errors import BadInput, StoreError
from bridge_mcp.stores.sqlite.migrate import migrations, newest
from bridge_mcp.stores.sqlite.session import BROKEN, LOCK_S, store_error

__all__ = ["Copied", "check_stranger", "copy_store", "in_one_file", "replace_store", "sole_use"]

PAGES = 2000
"""Pages (of 4 kB) that are copied at once; progress is told in between."""

IN_USE = "The store {} is in use by another process."
THEN = "End every host, gate and command that works with the bridge, then run this again."

Copied = tuple[int, int, int]
"""Schema version, conversations, entries."""


def copy_store(source: Path, target: Path, progress: Callable[[int, int], None]) -> Copied:
    """Write a copy of the store as one file, for its owner alone, and look whether it is whole.

    Raises:
        StoreError: the store cannot be read, or is damaged; or the disk is full.
    """
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(sqlite3.connect(source, timeout=LOCK_S, isolation_level=None)) as reading:
            reading.execute("PRAGMA query_only = 1")
            reading.execute("BEGIN")
            reading.execute("SELECT count(*) FROM sqlite_master").fetchone()  # what is committed by now is copied
            with closing(sqlite3.connect(target, isolation_level=None)) as writing:
                reading.backup(
                    writing, pages=PAGES, progress=lambda status, left, of: progress(of - left, of), sleep=0.0
                )
        return in_one_file(target)
    except BROKEN as exc:
        raise store_error(source, exc) from exc


def in_one_file(path: Path) -> Copied:
    """Leave a copy without a write-ahead log, and look whether it is whole.

    Raises:
        StoreError: it is damaged, or the disk is full.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            return looked_through(connection, path)
    except BROKEN as exc:
        raise store_error(path, exc) from exc


def looked_through(connection: sqlite3.Connection, path: Path) -> Copied:
    """What is in a copy.

    Raises:
        StoreError: SQLite finds it damaged.
    """
    problems = [str(line) for (line,) in connection.execute("PRAGMA quick_check(3)")]
    if problems != ["ok"]:
        raise StoreError(f"{path} is damaged: {'; '.join(problems)[:500]}.", fix="Use an older backup.")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (conversations,) = connection.execute("SELECT count(*) FROM conversations").fetchone()
    (entries,) = connection.execute("SELECT count(*) FROM log").fetchone()
    return version, conversations, entries


def check_stranger(path: Path) -> Copied:
    """Look at a store that may come from anybody, before it is opened as one: its version, tables and pages.

    Raises:
        BadInput: it is no store of this or an older version, has triggers or views of somebody else's, or is damaged.
    """
    fix = "Nothing was changed. Use another backup."
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            (stored,) = connection.execute("PRAGMA user_version").fetchone()
            if stored > newest():
                raise BadInput(
                    f"The backup's store has schema version {stored}; this bridge_mcp knows versions up to {newest()}.",
                    fix="Upgrade mcp-chat-bridge to the version that wrote it. Nothing was changed.",
                )
            names = {name: kind for kind, name in connection.execute("SELECT type, name FROM sqlite_master")}
            tables = {"conversations", "log", "messages", "approvals", "grants", "events"}
            strange = "trigger" in names.values() or not views_in(connection) <= known_views()
            if not stored or strange or any(names.get(table) != "table" for table in tables):
                raise BadInput(f"The store in {path.parent.name} is no store of bridge-mcp.", fix=fix)
            return looked_through(connection, path)
    except BROKEN as exc:
        raise BadInput(f"The backup's store cannot be read: {exc}.", fix=fix) from exc
    except StoreError as exc:
        raise BadInput(str(exc), fix="Nothing was changed.") from exc


def views_in(connection: sqlite3.Connection) -> set[str]:
    """The statements of a store's views; those of anybody else could be without an end."""
    return {str(sql).strip() for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'view'")}


def known_views() -> set[str]:
    """The statements of the views of this and of older versions."""
    files = [file.read_text(encoding="utf-8") for file in migrations() if file.suffix == ".sql"]
    return {view.strip() for text in files for view in re.findall(r"^CREATE VIEW [^;]+", text, re.MULTILINE)}


@contextmanager
def sole_use(path: Path) -> Generator[int]:
    """Have a store for this process alone, which has it in one file meanwhile, without a write-ahead log.

    Yields how many conversations it holds. One that is not there, or that SQLite cannot read at all, is nobody's.

    Raises:
        StoreError: another process has it open.
    """
    if not path.exists() or not path.stat().st_size:
        yield 0
        return
    with closing(sqlite3.connect(path, timeout=1.0, isolation_level=None)) as connection:
        before, readable = path.stat(), locked(connection, path)
        try:
            yield conversations_in(connection) if readable else 0
        finally:
            if readable:
                connection.execute("ROLLBACK")
                if path.exists() and os.path.samestat(before, path.stat()):  # it was not replaced
                    connection.execute("PRAGMA locking_mode = NORMAL")
                    connection.execute("PRAGMA journal_mode = WAL")


def locked(connection: sqlite3.Connection, path: Path) -> bool:
    """Lock a store for this connection alone; False for a file that SQLite cannot read.

    Raises:
        StoreError: another process has it open.
    """
    try:
        # SQLite ends the write-ahead log only for the last one that has the file open (sqlite.org/wal.html).
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as exc:
        raise StoreError(f"{IN_USE.format(path)} ({exc})", fix=THEN) from exc
    except sqlite3.DatabaseError:
        return False
    return True


def conversations_in(connection: sqlite3.Connection) -> int:
    """How many conversations a store holds; 0 for one that has no such table."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'conversations'").fetchone():
        return 0
    (count,) = connection.execute("SELECT count(*) FROM conversations").fetchone()
    return int(count)


def replace_store(new: Path, path: Path) -> None:
    """Put a closed store in the place of another one, within `sole_use` of it: that one, or this one, is there.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        for name in (f"{path.name}-wal", f"{path.name}-shm"):  # of a store that SQLite could not read
            leftover = path.with_name(name)
            if leftover.exists():
                os.replace(leftover, path.with_name(f"{name}.broken"))
        os.replace(new, path)
        sync_folder(path.parent)
    except OSError as exc:
        raise StoreError(
            f"{path} cannot be replaced: {exc.strerror or exc}.", fix="Let this user write there."
        ) from exc


def sync_folder(folder: Path) -> None:
    """Have the disk know of a rename, where folders can be synchronised."""
    if os.name == "nt":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
