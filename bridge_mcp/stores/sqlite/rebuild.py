"""Computes anew what stands beside the logs of a store's file; `stores/sql/replay.py` says how, and what is kept."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from bridge_mcp.stores.sql.replay import Progress, Rebuild, Rebuilt
from bridge_mcp.stores.sqlite.session import connect

__all__ = ["Rebuilt", "rebuild"]


def rebuild(
    path: Path, now: float, delivered_by_commit: Set[str] = frozenset(), progress: Progress = lambda done, of: None
) -> Rebuilt:
    """Compute all of it anew; see above. No engine may run meanwhile. Takes long with much: run it in a thread.

    Raises:
        StoreError: the store cannot be opened or written.
    """
    session = connect(path, reading=False)
    try:
        return Rebuild(session, now, delivered_by_commit).run(progress)
    finally:
        session.close()
