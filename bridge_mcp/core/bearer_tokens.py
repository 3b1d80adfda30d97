"""Bearer tokens: ours as they are kept, and of whom else they are taken."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge_mcp.core.policy import Scope

__all__ = ["OAuth", "hash_token"]


def hash_token(token: str) -> str:
    """A token as it is kept: SHA-256 in hex. Tokens are long and random, so that no slow hash is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True)
class OAuth:
    """Whose tokens are taken, and what they allow. Limits as of a `Principal`."""

    issuer: str
    jwks_url: str
    resource: str
    """The address of this bridge as its clients know it; also the audience, unless that is another."""
    audience: str = ""
    scopes: Mapping[str, frozenset[Scope]] = field(default_factory=dict[str, frozenset[Scope]])
    """From a scope of the issuer to those here."""
    channels: frozenset[str] = frozenset()
    conversations: frozenset[str] = frozenset()
