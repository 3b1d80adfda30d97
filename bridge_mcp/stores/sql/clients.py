"""The clients whose tokens are kept here (`Clients`)."""

from __future__ import annotations

import json
from typing import Any

from bridge_mcp.ports import StoredClient
from bridge_mcp.stores.sql.face import Face
from bridge_mcp.stores.sql.rows import dump
from bridge_mcp.stores.sql.session import Session

__all__ = ["SqlClients"]


class SqlClients(Face):
    """See `ports.Clients`."""

    async def add(self, client: StoredClient) -> bool:
        """False if the name is taken."""

        def operation(session: Session) -> bool:
            added = session.run(
                "insert_client",
                name=client.name,
                token_hash=client.token_hash,
                scopes=dump(sorted(client.scopes)),
                channels=dump(sorted(client.channels)),
                conversations=dump(sorted(client.conversations)),
                by=client.by,
                created_at=client.created_at,
            )
            return added > 0

        return await self._writer.execute(operation, None)

    async def all(self) -> tuple[StoredClient, ...]:
        """In the order of their names."""
        return tuple([client(row) for row in await self._reads.rows("clients")])

    async def by_token(self, token_hash: str) -> StoredClient | None:
        """None for an unknown hash."""
        row = await self._reads.row("client_by_token", token_hash=token_hash)
        return None if row is None else client(row)

    async def revoke(self, name: str) -> bool:
        """False if there was no such client. Its subscriptions and claims go with it."""

        def operation(session: Session) -> bool:
            session.put("delete_subscriptions_of", client=name)
            session.put("delete_callbacks_of", client=name)
            session.put("delete_claims_of", client=name)
            return session.run("delete_client", name=name) > 0

        return await self._writer.execute(operation, None)


def client(row: Any) -> StoredClient:
    """From the columns (name, token_hash, scopes, channels, conversations, by, created_at)."""
    name, token_hash, scopes, channels, conversations, by, created_at = row
    limits = [frozenset(json.loads(text)) for text in (scopes, channels, conversations)]
    return StoredClient(name, token_hash, *limits, by=by, created_at=created_at)
