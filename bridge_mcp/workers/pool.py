"""The connections by which jobs are fetched and ended."""

from __future__ import annotations

import psycopg
from psycopg_pool import AsyncConnectionPool

__all__ = ["jobs_pool"]

PATIENCE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
"""When a connection counts as dead whose other end is silent: after some ten seconds."""


async def each_statement_commits(connection: psycopg.AsyncConnection) -> None:
    """A job takes one round trip, and not three."""
    await connection.set_autocommit(True)


def jobs_pool(url: str) -> AsyncConnectionPool:
    """A pool of a few, to be opened; `url` reaches Postgres directly."""
    return AsyncConnectionPool(
        url,
        min_size=1,
        max_size=4,
        timeout=5.0,
        # Names of conversations have any characters, whatever encoding a URL names.
        kwargs={"application_name": "bridge-mcp jobs", "client_encoding": "UTF8", "connect_timeout": 5, **PATIENCE},
        configure=each_statement_commits,
        open=False,
    )
