"""The two ends of a move: how rows come out of a store and into one, a file of SQLite's or a database of Postgres'.

An end that is written is no store until the move is finished: a file has another name until then, and a database says
that its schema is being moved, so that no process opens it. The move's own table tells how far it is.

The statements here are made of the names of tables and columns, which stand in no file: they are those of the schema.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Protocol

import msgspec
import psycopg

from bridge_mcp.core.errors import BadInput, StoreError
from bridge_mcp.stores.moving.tables import Key, Row
from bridge_mcp.stores.postgres.connecting import CONNECT_S, Database
from bridge_mcp.stores.postgres.errors import store_error as postgres_error
from bridge_mcp.stores.postgres.looking import alone
from bridge_mcp.stores.postgres.migrate import VERSION_TABLE
from bridge_mcp.stores.postgres.migrate import migrate as migrate_database
from bridge_mcp.stores.postgres.migrate import newest as newest_database
from bridge_mcp.stores.sqlite.copies import sole_use
from bridge_mcp.stores.sqlite.migrate import migrate as migrate_file
from bridge_mcp.stores.sqlite.session import BROKEN
from bridge_mcp.stores.sqlite.session import store_error as sqlite_error

__all__ = ["End", "PostgresEnd", "SqliteEnd"]

MOVING = ".moving"
"""Behind the name of a file that is being written."""


class End(Protocol):
    """A store that is read or written by a move. All methods raise `StoreError`."""

    place: str
    """Where it is, without a password."""
    url: str

    def begin(self, *, writes: bool) -> None:
        """Open it for this process alone: to be read, or to be written, which makes it first."""
        ...

    def columns(self, table: str) -> tuple[str, ...]:
        """The columns of a table; () for no table."""
        ...

    def tables(self) -> frozenset[str]:
        """The names of its tables."""
        ...

    def count(self, table: str) -> int:
        """How many rows a table has."""
        ...

    def page(self, table: str, columns: Sequence[str], key: Key, after: Sequence[Any] | None, limit: int) -> list[Row]:
        """The next rows by their key."""
        ...

    def put(self, table: str, columns: Sequence[str], rows: Sequence[Row], state: object) -> None:
        """Write rows and how far the move of their table is, in one transaction."""
        ...

    def state(self, name: str) -> Any:
        """How far the move of a table is; None before it began."""
        ...

    def head(self) -> int:
        """The newest cursor of the feed."""
        ...

    def set_head(self, head: int) -> None:
        """Have the feed go on after this cursor. What was pruned is told by it, where no event is left."""
        ...

    def finish(self) -> None:
        """From now on it is a store."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def spelled(columns: Sequence[str]) -> str:
    """Columns in a statement."""
    return ", ".join(f'"{column}"' for column in columns)


class Rows(Protocol):
    """What both ends read alike."""

    mark: ClassVar[str]
    """What stands in a statement for a value."""

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[Row]: ...

    def count(self, table: str) -> int:
        """See `End`."""
        return int(self._rows(f'SELECT count(*) FROM "{table}"')[0][0])

    def page(self, table: str, columns: Sequence[str], key: Key, after: Sequence[Any] | None, limit: int) -> list[Row]:
        """See `End`."""
        marks = ", ".join([self.mark] * len(key))
        condition = f"WHERE ({spelled(key)}) > ({marks})" if after is not None else ""
        statement = f'SELECT {spelled(columns)} FROM "{table}" {condition} ORDER BY {spelled(key)} LIMIT {self.mark}'
        return self._rows(statement, [*(after or ()), limit])

    def state(self, name: str) -> Any:
        """See `End`."""
        rows = self._rows(f"SELECT state FROM moving WHERE name = {self.mark}", [name])
        return msgspec.json.decode(rows[0][0]) if rows else None


class SqliteEnd(Rows):
    """See `End`. A file that is written has another name until the move is finished."""

    mark = "?"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = str(path)
        self.url = f"sqlite:///{path}"
        self._file = path
        self._connection: sqlite3.Connection | None = None

    def begin(self, *, writes: bool) -> None:
        """See `End`."""
        with self._told():
            if writes:
                if self.path.exists():
                    raise BadInput(f"{self.path} is there already.", fix="Name a file that is not there.")
                self._file = self.path.with_name(self.path.name + MOVING)
                migrate_file(self._file)
            elif not self.path.exists():
                raise BadInput(f"There is no store at {self.path}.", fix="Name the file of a bridge.")
            else:
                with sole_use(self.path):
                    pass
                migrate_file(self.path)
            self.url = f"sqlite:///{self._file}"
            self._connection = sqlite3.connect(self._file, timeout=1.0, isolation_level=None)
            if writes:
                self._connection.execute(
                    "CREATE TABLE IF NOT EXISTS moving (name TEXT PRIMARY KEY, state TEXT NOT NULL)"
                )
            else:
                self._connection.execute("BEGIN IMMEDIATE")  # whoever wants to write has to wait

    def columns(self, table: str) -> tuple[str, ...]:
        """See `End`."""
        return tuple(str(row[1]) for row in self._rows(f'PRAGMA table_info("{table}")'))

    def tables(self) -> frozenset[str]:
        """See `End`; without those of the index of words."""
        rows = self._rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        return frozenset(str(name) for (name,) in rows if not str(name).startswith(("sqlite_", "words_")))

    def put(self, table: str, columns: Sequence[str], rows: Sequence[Row], state: object) -> None:
        """See `End`."""
        marks = ", ".join("?" * len(columns))
        reached = (table, msgspec.json.encode(state).decode())
        with self._told(), self._open() as connection:  # which commits, or rolls back
            connection.execute("BEGIN IMMEDIATE")
            if rows:
                connection.executemany(f'INSERT INTO "{table}" ({spelled(columns)}) VALUES ({marks})', rows)
            connection.execute("INSERT OR REPLACE INTO moving VALUES (?, ?)", reached)

    def head(self) -> int:
        """See `End`."""
        rows = self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
        return int(rows[0][0]) if rows else 0

    def set_head(self, head: int) -> None:
        """See `End`."""
        with self._told(), self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM sqlite_sequence WHERE name = 'events'")
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", (head,))

    def finish(self) -> None:
        """See `End`. Killed in the middle, it is a store or goes on: the move's table stays until it has its name."""
        with self._told():
            self._open().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.close()
        try:
            os.replace(self._file, self.path)
        except OSError as exc:
            raise StoreError(
                f"{self._file} cannot be renamed: {exc.strerror}.", fix=f"Rename it to {self.path}."
            ) from exc
        self._file, self.url = self.path, f"sqlite:///{self.path}"
        with self._told(), closing(sqlite3.connect(self._file, timeout=1.0, isolation_level=None)) as connection:
            connection.execute("DROP TABLE moving")

    def close(self) -> None:
        """See `End`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        assert self._connection is not None, "begin comes first"
        return self._connection

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        with self._told():
            return self._open().execute(statement, values).fetchall()

    @contextmanager
    def _told(self) -> Generator[None]:
        try:
            yield
        except BROKEN as exc:
            raise sqlite_error(self._file, exc) from exc


class PostgresEnd(Rows):
    """See `End`. Until the move is finished the schema's version says that it is none: the number below zero."""

    mark = "%s"

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self.place = self._database.place
        self.url = url
        self._connection: psycopg.Connection[Any] | None = None
        self._holder: psycopg.Connection[Any] | None = None
        """Keeps writers away for as long as it is open."""

    def begin(self, *, writes: bool) -> None:
        """See `End`."""
        with self._told():
            self._connection = self._database.connect(wait_s=CONNECT_S)
            if writes:
                self._make()
            else:
                if not self.columns("conversations"):
                    raise BadInput(f"There is no store at {self.place}.", fix="Name the database of a bridge.")
                if self.columns("moving"):
                    raise BadInput(f"A move to {self.place} is not finished.", fix="Finish that one first.")
                self._alone()
                migrate_database(self._database)
                self._holder = self._database.connect()
                self._holder.execute("SET idle_in_transaction_session_timeout = 0")
                self._holder.execute("BEGIN")
                self._holder.execute("LOCK TABLE log, events, conversations IN SHARE MODE")

    def _make(self) -> None:
        """Make the tables, or go on with a move that has begun."""
        if not self.columns("moving"):
            if self.columns("conversations") and self.count("conversations"):
                raise BadInput(f"{self.place} holds a bridge already.", fix="Name an empty database.")
            migrate_database(self._database)
            self._alone()
            with self._open().transaction():
                self._open().execute("CREATE TABLE moving (name text PRIMARY KEY, state text NOT NULL)")
                self._open().execute(f"UPDATE {VERSION_TABLE} SET version = %s", (-newest_database(),))
        else:
            self._alone()

    def _alone(self) -> None:
        """Raise where others have the database open.

        Raises:
            StoreError: they have.
        """
        with self._told():
            alone(self._open(), self.place)

    def columns(self, table: str) -> tuple[str, ...]:
        """See `End`."""
        rows = self._rows(
            "SELECT column_name::text FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND table_name = %s ORDER BY ordinal_position",
            [table],
        )
        return tuple(str(name) for (name,) in rows)

    def tables(self) -> frozenset[str]:
        """See `End`; without Procrastinate's."""
        rows = self._rows("SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()")
        return frozenset(str(name) for (name,) in rows if not str(name).startswith("procrastinate_"))

    def put(self, table: str, columns: Sequence[str], rows: Sequence[Row], state: object) -> None:
        """See `End`; by COPY."""
        with self._told(), self._open().transaction():
            if rows:
                cursor = self._open().cursor()
                with cursor.copy(f'COPY "{table}" ({spelled(columns)}) FROM STDIN'.encode()) as copy:
                    for row in rows:
                        copy.write_row(row)
            self._open().execute(
                "INSERT INTO moving VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET state = excluded.state",
                (table, msgspec.json.encode(state).decode()),
            )

    def head(self) -> int:
        """See `End`."""
        return int(self._rows("SELECT head FROM feed")[0][0])

    def set_head(self, head: int) -> None:
        """See `End`."""
        with self._told():
            self._open().execute("UPDATE feed SET head = %s", (head,))

    def finish(self) -> None:
        """See `End`; new rows get numbers beyond those that are there."""
        with self._told(), self._open().transaction():
            numbered = self._rows(
                "SELECT table_name::text, column_name::text FROM information_schema.columns"
                " WHERE table_schema = current_schema() AND is_identity = 'YES'"
                " AND table_name IN (SELECT tablename FROM pg_tables WHERE schemaname = current_schema())"
            )
            for table, column in numbered:
                if not table.startswith("procrastinate_"):
                    last = f'greatest((SELECT max("{column}") FROM "{table}"), 1)'
                    setting = f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), {last})"
                    self._open().execute(setting.encode())
            self._open().execute("DROP TABLE moving")
            self._open().execute(f"UPDATE {VERSION_TABLE} SET version = %s", (newest_database(),))
        with self._told():
            self._open().execute("ANALYZE")
        self.close()

    def close(self) -> None:
        """See `End`."""
        for connection in (self._holder, self._connection):
            if connection is not None:
                with suppress(psycopg.Error):
                    connection.close()
        self._holder = self._connection = None

    def _open(self) -> psycopg.Connection[Any]:
        assert self._connection is not None, "begin comes first"
        return self._connection

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        with self._told():
            return self._open().execute(statement.encode(), values).fetchall()

    @contextmanager
    def _told(self) -> Generator[None]:
        try:
            yield
        except psycopg.Error as exc:
            raise postgres_error(self.place, exc) from exc
