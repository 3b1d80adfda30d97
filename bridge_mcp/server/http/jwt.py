"""JWT access tokens of an authorization server: the bridge as an OAuth 2 resource server (RFC 9728, RFC 9068).

A token is a JWT that the issuer signed for this bridge as its audience. `[http.oauth.scopes]` maps the issuer's scopes
to the bridge's; others allow nothing. Knows no HTTP.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

import jwt
from jwt.types import Options
from mcp.server.auth.provider import AccessToken

from bridge_mcp.core.bearer_tokens import OAuth
from bridge_mcp.core.policy import Principal, Scope
from bridge_mcp.server.http.jwks import IssuerAway, IssuerKeys

__all__ = ["JwtVerifier", "principal_of"]

logger = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Asymmetric signatures only: no shared secret (HS256), and never `none`."""

LEEWAY_S = 30
"""How far clocks may differ."""

LONGEST_NAME = 200
"""Characters of a subject's name; a longer one is cut, and made unique by its hash."""

LONGEST_TOKEN = 16 * 1024
"""Characters of a token; longer ones are refused unread."""


REQUIRED = ["exp", "iss", "aud"]
SIGNED: Options = {"require": REQUIRED}
UNSIGNED: Options = {
    "require": REQUIRED,
    "verify_signature": False,
    "verify_exp": True,
    "verify_nbf": True,
    "verify_iat": True,
    "verify_aud": True,
    "verify_iss": True,
}
"""Checks everything but the signature; without that, PyJWT checks only what its options name."""


class JwtVerifier:
    """A `TokenVerifier` of the SDK: checks signature, issuer, audience and times."""

    def __init__(self, settings: OAuth) -> None:
        self._settings = settings
        self._keys = IssuerKeys(settings.jwks_url)

    async def verify_token(self, token: str) -> AccessToken | None:
        """A verified token; None if it is not the issuer's, not for this bridge, or expired.

        Raises:
            IssuerAway: the issuer's keys cannot be fetched.
        """
        try:
            return self._read(token, await self._keys.key(self._kid(token)))
        except IssuerAway:
            raise
        except Exception as exc:  # anybody may send anything: infinite times, endless nesting
            logger.info("a token was refused: %s", type(exc).__name__)
        return None

    def _kid(self, token: str) -> str:
        """The key id of a token whose claims are valid; its signature is not checked yet."""
        if len(token) > LONGEST_TOKEN:
            raise jwt.InvalidTokenError("it is too long")
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError("this algorithm is not taken")
        self._claims(token, None)
        return text(header, "kid")

    def _claims(self, token: str, key: jwt.PyJWK | None) -> dict[str, Any]:
        """The verified claims; without a key, all but the signature is verified."""
        settings = self._settings
        return jwt.decode(
            token,
            key or "",
            algorithms=list(ALGORITHMS),
            audience=settings.audience or settings.resource,
            issuer=settings.issuer,
            leeway=LEEWAY_S,
            options=UNSIGNED if key is None else SIGNED,
        )

    def _read(self, token: str, key: jwt.PyJWK) -> AccessToken:
        claims = self._claims(token, key)
        subject, client = text(claims, "sub"), text(claims, "client_id") or text(claims, "azp")
        if not (subject or client):
            raise jwt.InvalidTokenError("it names nobody")
        return AccessToken(
            token="",
            client_id=client or subject,
            scopes=scopes_of(claims),
            expires_at=int(claims["exp"]),
            resource=self._settings.resource,
            subject=subject or None,
            claims={"iss": self._settings.issuer},
        )


def principal_of(token: AccessToken, settings: OAuth) -> Principal:
    """The principal of such a token. Its name holds a colon, so it is no configured client's, and is unique."""
    allowed: frozenset[Scope] = frozenset()
    for scope in token.scopes:
        allowed |= settings.scopes.get(scope, frozenset())
    subject = token.subject if token.subject not in (None, token.client_id) else ""
    name = ":".join(name_part(part) for part in ("oauth", token.client_id, subject or "") if part)
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 32]}~{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    return Principal(
        name, "client", allowed, channels=settings.channels, conversations=settings.conversations, via="mcp"
    )


def name_part(text: str) -> str:
    """A claim as a part of a name: without spaces, commas and colons, which separate names."""
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
