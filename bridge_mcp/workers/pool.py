"""The connections by which jobs are fetched and ended."""

from __future__ import annotations

import psycopg
from psycopg_pool import AsyncConnectionPool

from bridge_mcp.stores.postgres.connecting import BY_KEYS

__all__ = ["jobs_pool"]

KEEPALIVES = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
"""When a connection counts as dead whose other end is silent: after some ten seconds."""


async def prepare(connection: psycopg.AsyncConnection) -> None:
    """Each statement commits, so that a job takes one round trip, and not three."""
    await connection.set_autocommit(True)
    await connection.execute(BY_KEYS, prepare=False)


def jobs_pool(url: str) -> AsyncConnectionPool:
    """A pool of a few, to be opened; `url` reaches Postgres directly."""
    return AsyncConnectionPool(
        url,
        min_size=1,
        max_size=4,
        timeout=5.0,
        # Names of conversations have any characters, whatever encoding a URL names.
        kwargs={"application_name": "bridge-mcp jobs", "client_encoding": "UTF8", "connect_timeout": 5, **KEEPALIVES},
        configure=prepare,
        open=False,
    )
