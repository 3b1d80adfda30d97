"""Removes from a store's file what was forgotten.

In a database file content outlives its rows: in free pages, in the unused parts of pages that were split, in older
segments of the search index, and in the write-ahead log. So the index is merged into one segment, SQLite writes all
pages anew (`VACUUM`), and the log is truncated. Other processes may work meanwhile; their writes wait for the `VACUUM`,
about a second per 100 MB.
"""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from bridge_mcp.stores.sqlite.session import BROKEN, connect, store_error

__all__ = ["checkpointed", "written_anew"]

CHECKPOINT_S = 5.0
"""How long others may keep the write-ahead log from being emptied."""


def written_anew(path: Path) -> bool:
    """Merge the search index, write all pages anew, and empty the write-ahead log; whether that was possible."""
    with closing(connect(path, reading=False)) as session:
        session.begin()
        session.put("fts_optimize")
        session.commit()
        session.execute("VACUUM")
    return checkpointed(path)


def checkpointed(path: Path) -> bool:
    """Copy the write-ahead log into the database and truncate it; False while somebody reads from it for too long."""
    deadline = time.monotonic() + CHECKPOINT_S
    with closing(connect(path, reading=False)) as session:
        while True:
            try:
                (busy, _, _) = session.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except BROKEN as exc:
                raise store_error(path, exc) from exc
            if not busy:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
