"""Who may sign in: the clients whose tokens are taken over HTTP, each with its own scopes and limits."""

from __future__ import annotations

import time

from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.console.sessions import Visitor
from bridge_mcp.core.bearer_tokens import hash_token
from bridge_mcp.core.policy import OWNER_NAME, SCOPES, Principal
from bridge_mcp.server.http.authenticator import AuthenticatedClient, Authenticator

__all__ = ["Visitors", "owner"]


def owner(scopes: frozenset[str]) -> Visitor:
    """Whoever comes by a link that the command line made: the owner, with these scopes."""
    return Visitor(Principal(OWNER_NAME, "owner", frozenset(each for each in SCOPES if each in scopes), via="console"))


class Visitors(Struct, frozen=True):
    """Authenticates tokens, and looks at each request whether they still hold."""

    authenticator: Authenticator

    async def sign_in(self, token: str) -> Visitor | None:
        """Whose token this is; None for nobody's. Nobody comes in without one."""
        if not token:
            return None
        header = f"Bearer {token}"
        client = await self.authenticator.known(header)
        if client is None and self.authenticator.may_be_issued(header):
            client = await self.authenticator.issued(header)
        return None if client is None else visitor_of(client, hash_token(token))

    async def current(self, visitor: Visitor) -> Visitor | None:
        """A visitor as its token makes it now: revoked or expired, it is nobody's; the owner's link has none."""
        if visitor.until:  # an issuer's, who says until when
            return visitor if time.time() < visitor.until else None
        if not visitor.token_hash:
            return visitor
        client = await self.authenticator.by_hash(visitor.token_hash)
        return None if client is None else visitor_of(client, visitor.token_hash)


def visitor_of(client: AuthenticatedClient, token_hash: str) -> Visitor:
    return Visitor(replace(client.principal, via="console"), token_hash, until=client.until)
