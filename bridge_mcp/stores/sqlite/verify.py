"""Checks a store's file against its own logs; `stores/sql/findings.py` says how."""

from __future__ import annotations

from pathlib import Path

from bridge_mcp.stores.sql.findings import Progress, findings, silent
from bridge_mcp.stores.sqlite.session import connect

__all__ = ["verify"]


def verify(path: str | Path, conversation: str = "", progress: Progress = silent) -> tuple[str, ...]:
    """What is wrong with one conversation (default: with all of them), a line each; nothing if nothing is.

    Reads every entry and every event, so it takes long with much: run it in a thread.

    Raises:
        StoreError: the store cannot be opened.
    """
    session = connect(Path(path), reading=True)
    try:
        return findings(session, conversation, progress)
    finally:
        session.close()
