"""The schema's history on Postgres: migrations in order, each applied once, under an advisory lock.

A migration is a file `NNNN_name.sql`, run in one transaction with the note that it was applied.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import psycopg

from bridge_mcp.core.errors import NewerSchema, StoreError
from bridge_mcp.stores.postgres.connecting import Database
from bridge_mcp.stores.postgres.errors import store_error
from bridge_mcp.stores.postgres.job_schema import bring_up

__all__ = ["MIN_POSTGRES", "migrate", "migrations", "newest", "schema_version"]

FOLDER = Path(__file__).with_name("migrations")

MIN_POSTGRES = 140_000
"""The oldest server that is supported: 14."""

LOCK = 0x6272_6964_6765
"""The advisory lock of whoever migrates ("bridge" in ASCII)."""

WORK = "0002_work.sql"
"""Stands on the tables of the job queue."""

SHARED = "leads to a pooler that shares sessions (PgBouncer in transaction mode): neither notices nor locks work there."
SHARED_FIX = "Name Postgres itself, or a pooler in session mode, as [store] url, or beside it as direct_url."

OURS = frozenset({"conversations", "log", "messages"})
VERSION_TABLE = "bridge_mcp_schema"


def migrations() -> tuple[Path, ...]:
    """The files in order; the number of the last one is the schema's version."""
    return tuple(sorted(FOLDER.glob("*.sql")))


def newest() -> int:
    """The schema version that this bridge_mcp knows."""
    return len(migrations())


def migrate(
    database: Database,
    owner: Callable[[], AbstractContextManager[None]] = nullcontext,
    progress: Callable[[int, int], object] | None = None,
    *,
    wait_s: float = 0.0,
) -> None:
    """Make the store in a database, or bring it to the newest version. Several processes may do this at once.

    What there is is only changed within `owner()`, which raises where this process may not.

    Raises:
        NewerSchema: a newer bridge_mcp has been here.
        StoreError: the database cannot be reached, is too old, holds something else, or is behind a pooler that shares
            sessions.
    """
    with database.connect(wait_s=wait_s) as connection:
        try:
            check_server(connection, database.place)
            need_sessions(database)
            if version(connection, database.place) == newest():
                return
            connection.execute("SET lock_timeout = 0")
            connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
            found = version(connection, database.place)
            if found < newest():
                with owner() if found else nullcontext():
                    apply(connection, found, progress)
        except psycopg.Error as exc:
            raise store_error(database.place, exc) from exc


def need_sessions(database: Database) -> None:
    """Raise where a way to Postgres, on which there was a connection, is none for notices and advisory locks.

    Raises:
        StoreError: it leads to a pooler that shares sessions.
    """
    if database.shares_sessions:
        raise StoreError(f"{database.place} {SHARED}", fix=SHARED_FIX)


def check_server(connection: psycopg.Connection[Any], place: str) -> None:
    """Raise where the server cannot hold a store.

    Raises:
        StoreError: it is too old, or its database is not in UTF-8.
    """
    if connection.info.server_version < MIN_POSTGRES:
        raise StoreError(
            f"{place} is Postgres {connection.info.server_version // 10_000}; the store needs "
            f"{MIN_POSTGRES // 10_000}.",
            fix="Use a newer Postgres.",
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreError(
            f"The database of {place} is in {encoding}.", fix="Create it with ENCODING 'UTF8' TEMPLATE template0."
        )


def version(connection: psycopg.Connection[Any], place: str) -> int:
    """The schema version of the database; 0 where there is no store.

    Raises:
        NewerSchema: a newer bridge_mcp has been here.
        StoreError: a move is not finished, or tables of ours are there without our note: it is something else.
    """
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
        " AND relname = ANY(%s)",
        ([VERSION_TABLE, *sorted(OURS)],),
    ).fetchall()
    names = {str(name) for (name,) in rows}
    if VERSION_TABLE not in names:
        if names:
            raise StoreError(
                f"{place} is a database of something else: it has a table {sorted(names)[0]}.",
                fix="Set [store] url to a database of its own.",
            )
        return 0
    row = connection.execute(f"SELECT version FROM {VERSION_TABLE}").fetchone()
    found = 0 if row is None else int(row[0])
    if found < 0:
        raise StoreError(
            f"A bridge is being moved or restored into {place}, and that is not finished.",
            fix="Run the same again: bridge-mcp migrate --from … --to … goes on where it stopped, bridge-mcp restore "
            "FILE begins anew. Or drop the database.",
        )
    if found > newest():
        raise NewerSchema(
            f"The store {place} has schema version {found}; this bridge_mcp knows versions up to {newest()}.",
            fix="Upgrade mcp-chat-bridge to the version that wrote it.",
        )
    return found


def apply(
    connection: psycopg.Connection[Any], found: int, progress: Callable[[int, int], object] | None = None
) -> None:
    """Apply what is missing, each file in a transaction of its own."""
    files = migrations()
    for number, file in enumerate(files[found:], start=found + 1):
        if progress is not None:
            progress(number - 1, len(files))
        with connection.transaction():
            if number == 1:
                connection.execute(f"CREATE TABLE {VERSION_TABLE} (version bigint NOT NULL)", prepare=False)
                connection.execute(f"INSERT INTO {VERSION_TABLE} (version) VALUES (0)", prepare=False)
            if file.name == WORK:
                bring_up(connection)
            connection.execute(file.read_bytes(), prepare=False)
            connection.execute(f"UPDATE {VERSION_TABLE} SET version = %s", (number,), prepare=False)


def schema_version(database: Database) -> int | None:
    """The schema version of the store in a database, which is left as it is; None when there is none yet.

    Raises:
        NewerSchema: a newer bridge_mcp has been here.
        StoreError: the database cannot be reached, or holds something else.
    """
    with database.connect() as connection:
        try:
            return version(connection, database.place) or None
        except psycopg.Error as exc:
            raise store_error(database.place, exc) from exc
