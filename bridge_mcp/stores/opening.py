"""The store of a URL: a file of SQLite, or a database of Postgres, whose driver is loaded only then."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Set
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from bridge_mcp.core.database_url import POSTGRES
from bridge_mcp.core.errors import ConfigError
from bridge_mcp.ports import Clock
from bridge_mcp.stores.sql.owner import Owner

if TYPE_CHECKING:
    from bridge_mcp.stores.postgres import PostgresStore
    from bridge_mcp.stores.sql.findings import Progress
    from bridge_mcp.stores.sql.replay import Rebuilt
    from bridge_mcp.stores.sqlite import SqliteStore

__all__ = ["is_postgres", "migrate", "open_store", "rebuild", "schema_version", "verify"]

SQLITE = "sqlite:///"


def is_postgres(url: str) -> bool:
    """Whether a URL is of a Postgres database."""
    return url.startswith(POSTGRES)


def path_of(url: str) -> Path:
    """The file of `sqlite:///PATH`, or of a plain path."""
    return Path(url.removeprefix(SQLITE))


def need_driver() -> None:
    """Raise where the driver of Postgres is missing.

    Raises:
        ConfigError: the extra is not installed.
    """
    try:
        importlib.import_module("psycopg")
    except ImportError as exc:
        raise ConfigError(
            f"The store is on Postgres, and its driver cannot be loaded: {exc}.",
            fix="Install it: pip install 'mcp-chat-bridge[postgres]'",
        ) from exc


async def open_store(
    url: str,
    *,
    clock: Clock,
    delivered_by_commit: Set[str] = frozenset(),
    owner: Owner = nullcontext,
    direct_url: str = "",
) -> SqliteStore | PostgresStore:
    """Open the store at a URL, and make it first where there is none, without holding up the event loop.

    A Postgres that cannot be reached is waited for, half a minute; `direct_url` leads around its pooler.

    Raises:
        ConfigError: the URL cannot be read, or the driver is missing.
        NewerSchema: a newer bridge_mcp has been here.
        StoreError: it cannot be opened.
    """
    if not is_postgres(url):
        from bridge_mcp.stores import sqlite

        return await sqlite.open_store(path_of(url), clock=clock, delivered_by_commit=delivered_by_commit, owner=owner)
    need_driver()
    from bridge_mcp.stores import postgres

    return await postgres.open_store(
        url, clock=clock, delivered_by_commit=delivered_by_commit, owner=owner, direct_url=direct_url
    )


def verify(url: str, conversation: str = "", progress: Progress | None = None) -> tuple[str, ...]:
    """What is wrong with one conversation (default: with all of them), a line each; nothing if nothing is.

    Reads every entry and every event, so it takes long with much: run it in a thread.

    Raises:
        StoreError: the store cannot be opened.
    """
    from bridge_mcp.stores.sql.findings import silent

    if not is_postgres(url):
        from bridge_mcp.stores import sqlite

        return sqlite.verify(path_of(url), conversation, progress or silent)
    need_driver()
    from bridge_mcp.stores import postgres

    return postgres.verify(url, conversation, progress or silent)


def rebuild(url: str, now: float, delivered_by_commit: Set[str], progress: Callable[[int, int], None]) -> Rebuilt:
    """Compute anew what stands beside the logs; see `stores/sql/replay.py`. Run it in a thread, while no engine runs.

    The store is brought to the newest version first.

    Raises:
        StoreError: the store cannot be opened or written, or others have the database open.
    """
    if not is_postgres(url):
        from bridge_mcp.stores.sqlite.rebuild import rebuild as rebuild_file

        migrate(url)
        return rebuild_file(path_of(url), now, delivered_by_commit, progress)
    need_driver()
    from bridge_mcp.stores import postgres
    from bridge_mcp.stores.postgres.connecting import Database
    from bridge_mcp.stores.postgres.looking import alone

    database = Database(url)
    with database.connect() as connection:
        alone(connection, database.place)
    migrate(url)
    return postgres.rebuild(url, now, delivered_by_commit, progress)


def migrate(url: str, owner: Owner = nullcontext, progress: Callable[[int, int], object] | None = None) -> None:
    """Make the store, or bring it to the newest version; see the adapters' `migrate`.

    Raises:
        NewerSchema: a newer bridge_mcp has been here.
        StoreError: it cannot be opened, or is not this process's to migrate.
    """
    if not is_postgres(url):
        from bridge_mcp.stores.sqlite.migrate import migrate as migrate_file

        return migrate_file(path_of(url), owner=owner, progress=progress)
    need_driver()
    from bridge_mcp.stores.postgres.connecting import Database
    from bridge_mcp.stores.postgres.migrate import migrate as migrate_database

    return migrate_database(Database(url), owner, progress)


def schema_version(url: str) -> int | None:
    """The schema version of the store, which is left as it is; None when there is none yet.

    Raises:
        NewerSchema: a newer bridge_mcp has been here.
        StoreError: it cannot be opened, or is something else.
    """
    if not is_postgres(url):
        from bridge_mcp.stores.sqlite.migrate import schema_version as version_of_file

        return version_of_file(path_of(url))
    need_driver()
    from bridge_mcp.stores.postgres.connecting import Database
    from bridge_mcp.stores.postgres.migrate import schema_version as version_of_database

    return version_of_database(Database(url))
