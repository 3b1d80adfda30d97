"""The store on Postgres: one database, shared by the processes of many machines. Needs the extra `postgres`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bridge_mcp.stores.postgres.checking import rebuild, verify
    from bridge_mcp.stores.postgres.store import PostgresStore, open_store

__all__ = ["PostgresStore", "open_store", "rebuild", "verify"]


def __getattr__(name: str) -> object:
    """What the package offers, loaded when it is asked for: a hook needs a part of it, and has no time for more."""
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from bridge_mcp.stores.postgres import checking, store

    return getattr(checking if name in ("rebuild", "verify") else store, name)
