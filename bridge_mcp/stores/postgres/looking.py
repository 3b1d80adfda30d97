"""What can be told of the way to a database before a store is opened there."""

from __future__ import annotations

import time
from typing import Any

import psycopg
from msgspec import Struct

from bridge_mcp.core.errors import StoreError
from bridge_mcp.stores.postgres.connecting import Database, keep_sessions
from bridge_mcp.stores.postgres.errors import store_error

__all__ = ["Way", "alone", "way_to"]

GONE_S = 2.0
"""How long connections may take to be gone."""

RUNS = "End every host, worker, gate and command that works with the bridge, then run this again."


class Way(Struct, frozen=True):
    """A way to a database."""

    server: str
    """The version of Postgres."""
    database: str
    """Which database it leads to, whatever the host is called."""
    keeps_sessions: bool
    """Whether what one statement sets the next one finds: not behind a pooler in transaction mode, where notices and
    session advisory locks do not work."""


def way_to(url: str) -> Way:
    """Look where a URL leads.

    Raises:
        StoreError: Postgres cannot be reached.
    """
    database = Database(url)
    with database.connect() as connection, database.connect() as other:
        try:
            row = connection.execute(
                "SELECT current_setting('server_version'), (SELECT oid::text FROM pg_database WHERE datname ="
                " current_database()) || ' ' || pg_postmaster_start_time()"
            ).fetchone()
            assert row is not None
            return Way(str(row[0]).split()[0], str(row[1]), keep_sessions(connection, other))
        except psycopg.Error as exc:
            raise store_error(database.place, exc) from exc


def alone(connection: psycopg.Connection[Any], place: str) -> None:
    """Raise where others have the database open.

    Raises:
        StoreError: they have.
    """
    until = time.monotonic() + GONE_S
    while True:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        ).fetchone()
        if row is None or not row[0]:
            return
        if time.monotonic() > until:
            raise StoreError(f"{place} is in use by {row[0]} other connections.", fix=RUNS)
        time.sleep(0.02)  # one that was closed a moment ago is still listed
