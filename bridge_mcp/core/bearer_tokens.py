"""Bearer tokens: how ours are stored, and the OAuth issuer whose tokens are accepted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from msgspec import Struct, field

from bridge_mcp.core.policy import Scope

__all__ = ["OAuth", "hash_token"]


def hash_token(token: str) -> str:
    """The stored form of a token: SHA-256 in hex. Tokens are long and random, so no slow hash is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class OAuth(Struct, frozen=True):
    """An issuer whose tokens are accepted, and what they allow. Limits as for a `Principal`."""

    issuer: str
    jwks_url: str
    resource: str
    """The address of this bridge as its clients know it; also the audience, unless that is another."""
    audience: str = ""
    scopes: Mapping[str, frozenset[Scope]] = field(default_factory=dict[str, frozenset[Scope]])
    """The bridge's scopes, by the issuer's."""
    channels: frozenset[str] = frozenset()
    conversations: frozenset[str] = frozenset()
