"""What archives and Postgres give each other: a snapshot of a database as a file, and such a file into a database.

An archive holds a store of SQLite's whatever made it, so that it is restored into either. A snapshot is one transaction
that only reads: it holds what was committed when it began, while workers go on. A database that is filled is no store
until all has arrived and is checked; what a killed restore has left there is told by its mark, and begun anew.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psycopg

from bridge_mcp.core.errors import BadInput, StoreError
from bridge_mcp.stores.moving.contents import DatabaseFiles, FolderFiles, end_of, faults, index_words
from bridge_mcp.stores.moving.ends import PostgresEnd
from bridge_mcp.stores.moving.move import SOURCE, Move, Moved, Progress
from bridge_mcp.stores.moving.tables import TABLES, Row
from bridge_mcp.stores.postgres.connecting import CONNECT_S
from bridge_mcp.stores.postgres.migrate import VERSION_TABLE, newest, version
from bridge_mcp.stores.postgres.migrate import migrate as migrate_database
from bridge_mcp.stores.postgres.session import statements
from bridge_mcp.stores.sqlite.copies import Copied, in_one_file

__all__ = ["fill_database", "snapshot"]

BACKUP = "the backup"
"""As what a database knows the source of a restore that is not finished."""

BESIDE = ("face_notes", "indexed", "kept_files", "words")
"""Tables that are no part of a move and are emptied with the others."""

LOCK_WAIT = "10min"
"""How long a snapshot waits for tables that are being written anew (`forget`): nobody waits for it."""

OWNED = ("conversations", "clients", "grants", "pairings", "held_back")
"""Where one of these has a row a database is somebody's bridge. What the others hold, a face may have left there."""


def snapshot(url: str, folder: Path, progress: Progress) -> Copied:
    """Write what a database holds now as `store.db` and `files/` in an empty folder. Everybody may go on meanwhile.

    Raises:
        BadInput: there is no store.
        StoreError: it cannot be read, is of another version, or the disk is full.
    """
    path = folder / "store.db"
    source = SnapshotEnd(url)
    files = SnapshotFiles(source), FolderFiles(folder / "files")
    moved = Move(source, end_of(f"sqlite:///{path}"), files, index=index_words, verify=faults, progress=progress).run()
    need_whole(moved, f"The copy of {source.place}")
    return in_one_file(path)


def fill_database(url: str, store: Path, files: Path, progress: Progress) -> Moved:
    """Put a store of SQLite's that is at rest, and the folder of its files, into an empty database.

    Whatever fails leaves the database without a bridge; a kill leaves it so that nothing opens it, until this is run
    again.

    Raises:
        BadInput: it is not empty, or the store holds something that has no place there.
        StoreError: somebody works with it, it cannot be written, or a move into it is not finished.
    """
    source, target = end_of(f"sqlite:///{store}"), FilledEnd(url)
    source.place = BACKUP
    both_files = FolderFiles(files), DatabaseFiles(url)
    moved = Move(source, target, both_files, index=index_words, verify=faults, progress=progress).run()
    need_whole(moved, f"What arrived in {target.place}")
    return moved


def need_whole(moved: Moved, target: str) -> None:
    """Raise where something has arrived otherwise.

    Raises:
        StoreError: it has.
    """
    if moved.wrong:
        raise StoreError(
            f"{target} is not as it was: {moved.wrong[0][:300]}.", fix="Run this again; if it says the same, report it."
        )


class SnapshotEnd(PostgresEnd):
    """The state of a database when it was opened, while others write."""

    def begin(self, *, writes: bool) -> None:
        """See `End`; nothing is written."""
        assert not writes, "a snapshot is read"
        with self._told():
            self._connection = connection = self._database.connect(wait_s=CONNECT_S)
            if not (schema := version(connection, self.place)):
                raise BadInput(f"There is no store at {self.place}.", fix="Name its configuration: --config.")
            if schema < newest():
                raise StoreError(
                    f"The store {self.place} has schema version {schema}; this bridge_mcp backs up version {newest()}.",
                    fix="Run bridge-mcp migrate first, once all workers have this version.",
                )
            connection.execute("SET idle_in_transaction_session_timeout = 0")
            connection.execute(f"SET lock_timeout = '{LOCK_WAIT}'".encode())
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            # A table that a migration rewrites meanwhile would look empty (Postgres' manual, 13.6 Caveats of MVCC).
            # Locks come before the snapshot, which is that of the first query.
            names = spelled_tables(frozenset((*TABLES, "feed", "kept_files", VERSION_TABLE)))
            connection.execute(f"LOCK TABLE {names} IN ACCESS SHARE MODE".encode())
            if version(connection, self.place) != schema:
                raise StoreError(f"The store {self.place} is being migrated.", fix="Run this again.")

    def named(self, statement: str, **values: object) -> list[Row]:
        """The rows of a named statement."""
        with self._told():
            return self._open().execute(statements()[statement], values).fetchall()


class SnapshotFiles(DatabaseFiles):
    """The kept files of a snapshot: none of them goes, and none is added."""

    def __init__(self, end: SnapshotEnd) -> None:
        super().__init__(end.url)
        self._end = end

    def _run(self, statement: str, **values: object) -> list[Row]:
        return self._end.named(statement, **values)


class FilledEnd(PostgresEnd):
    """An empty database that a backup is put into."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._began = False
        """Whether what is not finished there is this object's own."""

    def close(self) -> None:
        """See `End`; what is not finished does not stay."""
        if self._connection is not None and self._began:
            with suppress(StoreError, BadInput, psycopg.Error):
                if self._is_ours():
                    self._empty()
        super().close()

    def _make(self) -> None:
        if self._is_ours():
            self._alone()
            self._empty()
        elif self.columns("moving"):
            raise StoreError(
                f"{self.place} holds the beginning of a move. Nothing was changed.",
                fix="Finish that (bridge-mcp migrate --from … --to …), or name an empty database in [store] url.",
            )
        migrate_database(self._database)
        self._alone()
        for table in OWNED:
            if count := self.count(table):
                raise BadInput(
                    f"{self.place} is not empty ({table}: {count:,}), and a restore overwrites no database.",
                    fix="Create an empty one (createdb), name it in [store] url, and restore into that. "
                    "Nothing was changed.",
                )
        self._began = True
        self._empty()
        super()._make()
        self._alone()  # whoever came before the mark was set

    def _is_ours(self) -> bool:
        """Whether it holds the beginning of a restore; before its first row there is nothing of anybody's."""
        if not self.columns("moving"):
            return False
        says = self.state(SOURCE)
        return says is None or says[0] == BACKUP

    def _empty(self) -> None:
        """Make it an empty store of its version."""
        names = spelled_tables(self.tables() & {*TABLES, *BESIDE})
        with self._told(), self._open().transaction():
            self._open().execute(f"TRUNCATE {names}".encode())
            self._open().execute("UPDATE feed SET head = 0")
            self._open().execute("DROP TABLE IF EXISTS moving")
            self._open().execute(f"UPDATE {VERSION_TABLE} SET version = abs(version)".encode())


def spelled_tables(names: frozenset[str]) -> str:
    """Tables in a statement."""
    return ", ".join(f'"{name}"' for name in sorted(names))
