"""Procrastinate's tables in the store: its files are applied in their order, each once, and which of them ran is kept.

Procrastinate brings files of SQL and neither runs nor remembers them. A database without its tables gets its schema as
a whole, which all files up to then are part of; later ones are applied as they come with newer versions.
"""

from __future__ import annotations

from pathlib import Path
from typing import LiteralString, cast

import psycopg
from procrastinate.schema import SchemaManager

__all__ = ["bring_up"]

RECORD = """
CREATE TABLE IF NOT EXISTS procrastinate_migrations (
    name text PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now()
)
"""


def bring_up(connection: psycopg.Connection) -> None:
    """Make Procrastinate's tables, or bring them up to the installed version. Whoever calls holds the migrations' lock.

    It is one transaction, or part of the caller's.
    """
    with connection.transaction():
        connection.execute(RECORD)
        ran = {name for (name,) in connection.execute("SELECT name FROM procrastinate_migrations")}
        files = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
        if not ran:
            connection.execute(SchemaManager.get_schema(), prepare=False)
        for file in files:
            if ran and file.name not in ran:
                connection.execute(cast("LiteralString", file.read_text(encoding="utf-8")), prepare=False)
            if file.name not in ran:
                connection.execute("INSERT INTO procrastinate_migrations (name) VALUES (%s)", (file.name,))
