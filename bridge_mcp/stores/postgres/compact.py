"""Removes from Postgres what was forgotten.

A row that was changed or deleted stays in its table's file until a `VACUUM`, and the space it had until it is written
over; the index of words keeps terms in pages until then. So the tables with content are written anew (`VACUUM FULL`),
which holds up others, about a second per 100 MB. What the server has beside its tables is its administrator's: the
write-ahead log until it is recycled (a checkpoint is asked for, where this user may), archives of it, standbys, and
base backups.
"""

from __future__ import annotations

import psycopg

from bridge_mcp.stores.postgres.connecting import Database
from bridge_mcp.stores.postgres.errors import store_error

__all__ = ["TABLES", "checkpointed", "written_anew"]

TABLES = (
    *("log", "conversations", "messages", "words", "approvals", "events", "platform_ids", "pairings"),
    *(
        "pairing_requests",
        "first_messages",
        "topic_titles",
        "undelivered",
        "grants",
        "held_back",
        "claims",
        "forgetting",
    ),
    *("accepted_tools", "clients", "spending", "buttons"),
)
"""The tables in which content of people stands."""


def written_anew(database: Database) -> bool:
    """Write the tables anew; whether that was possible."""
    with database.connect() as connection:
        try:
            # Whoever wants the table waits behind this; a backup may read it for minutes.
            connection.execute("SET lock_timeout = '3s'")
            for table in TABLES:
                connection.execute(f"VACUUM (FULL, ANALYZE) {table}".encode(), prepare=False)
        except psycopg.errors.LockNotAvailable:
            return False
        except psycopg.Error as exc:
            raise store_error(database.place, exc) from exc
    return checkpointed(database)


def checkpointed(database: Database) -> bool:
    """Ask for a checkpoint, so that the server can recycle its log; fine where this user may not."""
    with database.connect() as connection:
        try:
            connection.execute("CHECKPOINT", prepare=False)
        except psycopg.errors.InsufficientPrivilege:
            pass
        except psycopg.Error as exc:
            raise store_error(database.place, exc) from exc
    return True
