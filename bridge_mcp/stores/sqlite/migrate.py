"""The schema's history: migrations in order, each applied once, in one transaction, whoever comes first.

A migration is a file `NNNN_name.sql`, or a file `NNNN_name.py` with a function `upgrade(connection)` that takes a
`sqlite3.Connection`. Either runs inside a transaction that it must not end; `executescript` would end it.
"""

from __future__ import annotations

import logging
import os
import runpy
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path

from bridge_mcp.core.errors import NewerSchema, StoreError
from bridge_mcp.stores.sql.owner import Owner
from bridge_mcp.stores.sqlite.session import BROKEN, LOCAL_DISK, LOCK_S, store_error

__all__ = ["MIN_SQLITE", "Owner", "migrate", "migrations", "newest", "schema_version"]

logger = logging.getLogger(__name__)

MIN_SQLITE = (3, 31)
FOLDER = Path(__file__).with_name("migrations")

MADE_S = 2.0
"""How long a new store is an empty file at most, while the process that makes it is not held up."""


def migrations(folder: Path = FOLDER) -> tuple[Path, ...]:
    """The files in order; the number of the last one is the schema's version.

    Raises:
        StoreError: a number is missing or there twice.
    """
    files = sorted(file for file in folder.iterdir() if file.suffix in (".sql", ".py"))
    numbers = [int(file.name.partition("_")[0]) for file in files]
    if numbers != list(range(1, len(files) + 1)):
        raise StoreError(f"The migrations in {folder} are numbered {numbers}.", fix="Install bridge_mcp again.")
    return tuple(files)


def newest(folder: Path = FOLDER) -> int:
    """The schema version that this bridge_mcp knows."""
    return len(migrations(folder))


def migrate(
    path: Path, folder: Path = FOLDER, owner: Owner = nullcontext, progress: Callable[[int, int], object] | None = None
) -> None:
    """Make the store at `path`, or bring it to the newest version. Several processes may do this at once.

    What there is is only changed within `owner()`, which raises where this process may not. `progress` hears how many
    migrations are applied, and of how many.

    Raises:
        NewerSchema: a newer bridge_mcp has been here.
        StoreError: the file is no store of ours, or cannot be one, or is not this process's to migrate.
    """
    if sqlite3.sqlite_version_info < MIN_SQLITE:
        raise StoreError(
            f"This Python brings SQLite {sqlite3.sqlite_version}; the store needs {'.'.join(map(str, MIN_SQLITE))}.",
            fix="Use a newer Python, or one installed by uv.",
        )
    files = migrations(folder)
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Chats are private: SQLite gives its own files beside this one the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        elif not path.stat().st_size:
            found_empty(path)
        opened = path.stat()
        connection = sqlite3.connect(path, timeout=LOCK_S, isolation_level=None)
        try:
            if folder == FOLDER:
                check_tables(connection, path)
            current = version(connection, path, len(files))
            if current < len(files):
                try:
                    with owner() if current else nullcontext():
                        write_ahead(connection, path)
                        apply(connection, path, files, progress)
                except StoreError:
                    if version(connection, path, len(files)) < len(files):  # else another process was faster
                        raise
            elif connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                with owner():  # whoever replaces stores was killed while it had this one for itself
                    if not os.path.samestat(opened, path.stat()):
                        raise StoreError(f"The store {path} was replaced while it was opened.", fix="Start again.")
                    write_ahead(connection, path)
        finally:
            connection.close()
    except BROKEN as exc:
        raise store_error(path, exc) from exc
    except OSError as exc:
        raise StoreError(f"The store {path} cannot be made: {exc}.", fix="Let this user write to its folder.") from exc


def found_empty(path: Path) -> None:
    """A file of no bytes is no store: it begins anew, and that is told, unless something of the old one is there.

    One that another process has just made is left to it.

    Raises:
        StoreError: a write-ahead log lies beside it.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise StoreError(
            f"The store {path} is empty, and its write-ahead log is not: it was emptied, not new.",
            fix="Restore a backup, or move both files away to start anew.",
        )
    deadline = time.monotonic() + MADE_S
    while time.monotonic() < deadline:
        if path.stat().st_size:
            return
        time.sleep(0.01)
    logger.warning("the store %s is an empty file: if there was one before, it is lost; a new one begins", path)


def check_tables(connection: sqlite3.Connection, path: Path) -> None:
    """Raise where a database has not our tables.

    Raises:
        StoreError: it is one of another program.
    """
    ours = "SELECT count(*), total(name IN ('conversations', 'log', 'messages')) FROM sqlite_master"
    tables, of_ours = connection.execute(ours).fetchone()
    (stored_version,) = connection.execute("PRAGMA user_version").fetchone()
    if tables and (not stored_version or of_ours < 3):
        raise StoreError(f"{path} is a database of something else.", fix="Set [store] url to another file.")


def schema_version(path: Path) -> int | None:
    """The schema version of the store at `path`, which is left as it is; None when there is none yet.

    Raises:
        NewerSchema: a newer bridge_mcp has been here.
        StoreError: the file cannot be opened, or is no database.
    """
    if not path.exists() or not path.stat().st_size:
        return None
    try:
        with closing(sqlite3.connect(path, timeout=LOCK_S)) as connection:
            current = version(connection, path, len(migrations()))
            return current or None
    except BROKEN as exc:
        raise store_error(path, exc) from exc


def version(connection: sqlite3.Connection, path: Path, supported: int) -> int:
    """The schema version of the file; 0 for an empty one."""
    (current,) = connection.execute("PRAGMA user_version").fetchone()
    if current > supported:
        raise NewerSchema(
            f"The store {path} has schema version {current}; this bridge_mcp knows versions up to {supported}.",
            fix="Upgrade mcp-chat-bridge to the version that wrote it.",
        )
    return current


def write_ahead(connection: sqlite3.Connection, path: Path) -> None:
    """Switch the file to write-ahead logging, for good. While others look at it SQLite refuses at once: try again."""
    deadline = time.monotonic() + LOCK_S
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as exc:
            if "locked" not in str(exc) or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
    if mode != "wal":
        raise StoreError(
            f"The store {path} cannot be shared by processes: its file system allows no write-ahead log.",
            fix=LOCAL_DISK,
        )


def apply(
    connection: sqlite3.Connection,
    path: Path,
    files: tuple[Path, ...],
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Apply what is missing, each file in a transaction of its own."""
    for number, file in enumerate(files, start=1):
        if progress is not None:
            progress(number - 1, len(files))
        connection.execute("BEGIN IMMEDIATE")
        try:
            current = version(connection, path, len(files))
            if current == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise StoreError(f"{path} is a database of something else.", fix="Set [store] url to another file.")
            if current < number:
                upgrade(connection, file)
                connection.execute(f"PRAGMA user_version = {number}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def upgrade(connection: sqlite3.Connection, file: Path) -> None:
    """Run one migration, in the transaction that is open."""
    if file.suffix == ".py":
        runpy.run_path(str(file))["upgrade"](connection)
        return
    for statement in statements(file.read_text(encoding="utf-8")):
        connection.execute(statement)


def statements(text: str) -> Iterator[str]:
    """The statements of a file: `executescript` would end the transaction that they belong in."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
