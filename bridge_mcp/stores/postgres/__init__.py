"""The store on Postgres: one database, shared by the processes of many machines. Needs the extra `postgres`."""

from bridge_mcp.stores.postgres.checking import rebuild, verify
from bridge_mcp.stores.postgres.store import PostgresStore, open_store

__all__ = ["PostgresStore", "open_store", "rebuild", "verify"]
