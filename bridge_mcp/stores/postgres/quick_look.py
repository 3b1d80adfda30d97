"""What a hook after a call asks of a store on Postgres, without loading the store; see `stores/quick_request.py`."""

from __future__ import annotations

import os

import psycopg

from bridge_mcp.core.errors import StoreError
from bridge_mcp.stores.postgres.connecting import READ_ONLY, Database
from bridge_mcp.stores.postgres.errors import store_error
from bridge_mcp.stores.postgres.statements import NAMED
from bridge_mcp.stores.quick_request import BUSY_S, END, statements

__all__ = ["look"]

MIGRATIONS = os.path.join(os.path.dirname(__file__), "migrations")


def look(url: str, prefix: str, tool: str) -> tuple[dict[str, str], bool]:
    """See `quick_request.look`."""
    database = Database(url)
    found = statements("last_entries", "waits_for_verdict")
    sql = {name: NAMED.sub(r"%(\1)s", text).encode() for name, text in found.items()}
    try:
        with database.connect(set_to=READ_ONLY, answer_s=BUSY_S) as connection:
            newest = sum(name.endswith(".sql") for name in os.listdir(MIGRATIONS))
            if connection.execute("SELECT version FROM bridge_mcp_schema").fetchone() != (newest,):
                raise StoreError(f"The store {database.place} is not of schema version {newest}.")
            heads = connection.execute(sql["last_entries"], {"first": prefix, "end": prefix + END}).fetchall()
            waits = connection.execute(sql["waits_for_verdict"], {"tool": tool}).fetchone() if tool else None
    except psycopg.Error as exc:
        raise store_error(database.place, exc) from exc
    return dict(heads), waits == (True,)
