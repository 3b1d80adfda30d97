"""The store on SQLite: one file in the user's state folder, shared by all processes of the bridge on this machine."""

from bridge_mcp.stores.sqlite.store import SqliteStore, open_store
from bridge_mcp.stores.sqlite.verify import verify

__all__ = ["SqliteStore", "open_store", "verify"]
