"""Tokens of somebody else's authorization server: the bridge as an OAuth 2 resource server (RFC 9728, RFC 9068).

A token is a JWT that the issuer signed for this very bridge. Its scopes are the issuer's words; `[http.oauth.scopes]`
says what they allow here, and nothing else is allowed. Knows no HTTP but the fetching of keys.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

import anyio.to_thread
import jwt
from mcp.server.auth.provider import AccessToken

from bridge_mcp.core.bearers import OAuth
from bridge_mcp.core.policy import Principal, Scope

__all__ = ["JwtVerifier", "principal_of"]

logger = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by keys that only the issuer has. A shared secret, or none, is no signature."""

LEEWAY_S = 30
"""How far clocks may differ."""

LONGEST_NAME = 200
"""Characters of a name as it is; a longer one is cut, and told from all others by its hash."""

KEYS_S = 300
"""How long fetched keys are kept; an unknown key has them fetched anew at once."""


class JwtVerifier:
    """A `TokenVerifier` of the SDK: checks signature, issuer, audience and times."""

    def __init__(self, settings: OAuth) -> None:
        self._settings = settings
        self._keys = jwt.PyJWKClient(settings.jwks_url, cache_keys=False, lifespan=KEYS_S, timeout=10)

    async def verify_token(self, token: str) -> AccessToken | None:
        """What a token says; None if it is not one of the issuer's for this bridge, or its time is over."""
        try:
            return await anyio.to_thread.run_sync(self._verified, token)
        except jwt.PyJWKClientConnectionError as exc:
            logger.error("the keys of %s cannot be fetched: %s", self._settings.issuer, exc)
        except (jwt.PyJWTError, ValueError) as exc:
            logger.info("a token was refused: %s", type(exc).__name__)
        return None

    def _verified(self, token: str) -> AccessToken:
        """On a worker thread: fetching keys may take long."""
        settings = self._settings
        if jwt.get_unverified_header(token).get("alg") not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError("this algorithm is not taken")
        claims: dict[str, Any] = jwt.decode(
            token,
            self._keys.get_signing_key_from_jwt(token),
            algorithms=list(ALGORITHMS),
            audience=settings.audience or settings.resource,
            issuer=settings.issuer,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iss", "aud"]},
        )
        subject, client = text(claims, "sub"), text(claims, "client_id") or text(claims, "azp")
        if not (subject or client):
            raise jwt.InvalidTokenError("it names nobody")
        return AccessToken(
            token="",
            client_id=client or subject,
            scopes=scopes_of(claims),
            expires_at=int(claims["exp"]),
            resource=settings.resource,
            subject=subject or None,
            claims={"iss": settings.issuer},
        )


def principal_of(token: AccessToken, settings: OAuth) -> Principal:
    """Whoever shows such a token. The name is no configured client's: those have no colon. Two have never the same."""
    allowed: frozenset[Scope] = frozenset()
    for scope in token.scopes:
        allowed |= settings.scopes.get(scope, frozenset())
    subject = token.subject if token.subject not in (None, token.client_id) else ""
    name = ":".join(word(part) for part in ("oauth", token.client_id, subject or "") if part)
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 32]}~{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    return Principal(name, "client", allowed, settings.channels, settings.conversations, "mcp")


def word(text: str) -> str:
    """A claim as a part of a name: without spaces, commas and colons, which stand between names."""
    return quote(text, safe="@/+")


def text(claims: Mapping[str, Any], name: str) -> str:
    value: object = claims.get(name)
    return value if isinstance(value, str) else ""


def scopes_of(claims: Mapping[str, Any]) -> list[str]:
    """The scopes of a token: `scope` as one text (RFC 9068), or `scp` as text or list, as some issuers write it."""
    value: object = claims.get("scope", claims.get("scp", ""))
    if isinstance(value, list):
        return [each for each in cast("list[object]", value) if isinstance(each, str)]
    return value.split() if isinstance(value, str) else []
