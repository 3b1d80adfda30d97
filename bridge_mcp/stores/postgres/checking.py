"""Checks a store on Postgres against its own logs, and computes anew what stands beside them; see `stores/sql`."""

from __future__ import annotations

from collections.abc import Set

from bridge_mcp.stores.postgres.connecting import Database
from bridge_mcp.stores.postgres.migrate import newest
from bridge_mcp.stores.postgres.session import Session
from bridge_mcp.stores.sql import findings, replay

__all__ = ["rebuild", "verify"]


def verify(url: str, conversation: str = "", progress: findings.Progress = findings.silent) -> tuple[str, ...]:
    """What is wrong with one conversation (default: with all of them), a line each; nothing if nothing is.

    Reads every entry and every event, so it takes long with much: run it in a thread.

    Raises:
        StoreError: the store cannot be reached.
    """
    session = Session(Database(url), newest(), reading=True)
    try:
        return findings.findings(session, conversation, progress)
    finally:
        session.close()


def rebuild(
    url: str,
    now: float,
    delivered_by_commit: Set[str] = frozenset(),
    progress: replay.Progress = lambda done, of: None,
) -> replay.Rebuilt:
    """Compute all of it anew; see `stores/sql/replay.py`. No worker may run meanwhile. Run it in a thread.

    Raises:
        StoreError: the store cannot be reached or written.
    """
    session = Session(Database(url), newest(), reading=False)
    try:
        return replay.Rebuild(session, now, delivered_by_commit).run(progress)
    finally:
        session.close()
