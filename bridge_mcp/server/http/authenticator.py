"""Authenticates clients over HTTP: the client of a bearer token, and until when the token is valid.

There are three kinds of tokens: those of the config, those in the store (which any process may add and revoke at any
time), and those of an OAuth issuer. Knows tokens only as hashes, and no HTTP but one header.
"""

from __future__ import annotations

import hmac
import logging
import math
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from cachetools import TTLCache
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import ServerRequestContext
from msgspec import Struct
from starlette.requests import HTTPConnection

from bridge_mcp.core.bearer_tokens import OAuth, hash_token
from bridge_mcp.core.errors import Denied
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.policy import Scope as PolicyScope
from bridge_mcp.ports import Agenda, Clients
from bridge_mcp.server.http.jwt import JwtVerifier, principal_of
from bridge_mcp.service import elapsed

__all__ = ["TOKEN_FIX", "AuthenticatedClient", "Authenticator"]

logger = logging.getLogger(__name__)

TOKEN_FIX = "Send 'Authorization: Bearer TOKEN': one of [clients.NAME] in bridge.toml, or of bridge-mcp clients add."

PRINCIPAL = "bridge_mcp.principal"
"""The key of the authenticated principal in a request's ASGI scope."""

VERIFIED_S = 60.0
"""How long a verified signature is cached."""
MAX_VERIFIED = 1024
"""Tokens in that cache."""

LOOK_S = 30.0
"""How often open requests are checked even without a commit."""


class AuthenticatedClient(Struct, frozen=True):
    """The client of a request. `user` is the SDK's key for the sessions of a client."""

    principal: Principal
    user: AuthenticatedUser | None = None
    stored: str = ""
    """The hash of its token, if that is in the store and may be revoked."""
    until: float = 0.0
    """When its token expires, in epoch seconds; 0: never."""


@dataclass(eq=False, slots=True)
class OpenRequest:
    """One open request."""

    client: AuthenticatedClient
    ends_at: float = math.inf
    """When its token expires, by `elapsed`, which counts the time in which the machine slept."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class VerifiedTokens:
    """A cache of the issuer's verified tokens, by hash, so that signatures are not checked at each request.

    A token is verified again after `VERIFIED_S`, so that a key that its issuer withdraws ends it soon.
    """

    def __init__(self, now: Callable[[], float] = elapsed) -> None:
        self._found: TTLCache[str, AuthenticatedClient] = TTLCache(MAX_VERIFIED, VERIFIED_S, now)

    def get(self, token_hash: str) -> AuthenticatedClient | None:
        client = self._found.get(token_hash)
        return None if client is None or time.time() >= client.until else client

    def keep(self, token_hash: str, client: AuthenticatedClient) -> None:
        self._found[token_hash] = client


class Authenticator:
    """Who may come in.

    Args:
        clients: those of the configuration, by the hash of their token (`hash_token`).
        anybody: who comes without a token, where that is allowed.
        stored: those that were let in while the bridge ran.
        oauth: whose tokens are taken beside.
        elapsed: seconds that passed, those in which the machine slept included.
    """

    def __init__(
        self,
        clients: Mapping[str, Principal],
        anybody: Principal | None = None,
        stored: Clients | None = None,
        oauth: OAuth | None = None,
        elapsed: Callable[[], float] = elapsed,
    ) -> None:
        self._known = {
            token_hash: AuthenticatedClient(who, user_of(who.name, who.scopes)) for token_hash, who in clients.items()
        }
        self._anybody = anybody
        self._stored = stored
        self._oauth = oauth
        self._verifier = JwtVerifier(oauth) if oauth else None
        self._verified = VerifiedTokens(elapsed)
        self._elapsed = elapsed
        self._open_requests: set[OpenRequest] = set()

    async def known(self, authorization: str | None) -> AuthenticatedClient | None:
        """Whose token an Authorization header carries, as far as that is known here; who comes without the header."""
        if authorization is None:
            return None if self._anybody is None else AuthenticatedClient(self._anybody)
        token = token_in(authorization)
        if not token:
            return None
        return await self.by_hash(hash_token(token))

    async def by_hash(self, token_hash: str) -> AuthenticatedClient | None:
        """Whose token has this hash, as far as that is known here."""
        match = None
        for known_hash, client in self._known.items():  # all of them, each in constant time
            if hmac.compare_digest(token_hash, known_hash):
                match = client
        return match or await self._by_stored(token_hash) or self._verified.get(token_hash)

    def may_be_issued(self, authorization: str | None) -> bool:
        """Whether this may be a token of the issuer, which has to be checked by its keys: that takes longer."""
        return self._verifier is not None and token_in(authorization or "").count(".") == 2

    async def issued(self, authorization: str) -> AuthenticatedClient | None:
        """The client of the issuer's token; None if it is not valid.

        Raises:
            IssuerAway: the issuer's keys cannot be fetched now.
        """
        token = token_in(authorization)
        verified = await self._verifier.verify_token(token) if self._verifier is not None else None
        if verified is None or self._oauth is None:
            return None
        who = principal_of(verified, self._oauth)
        client = AuthenticatedClient(who, AuthenticatedUser(verified), until=float(verified.expires_at or 0))
        self._verified.keep(hash_token(token), client)
        return client

    async def _by_stored(self, token_hash: str) -> AuthenticatedClient | None:
        client = await self._stored.by_token(token_hash) if self._stored is not None else None
        if client is None:
            return None
        # A name that was reused is another client: sessions are kept apart by the token too.
        return AuthenticatedClient(
            client.principal, user_of(f"{client.name}:{token_hash[:16]}", client.scopes), token_hash
        )

    def principal_of(self, ctx: ServerRequestContext[Any, Any]) -> Principal:
        """The principal that `AuthMiddleware` put into a request's scope.

        Raises:
            Denied: the request did not pass `AuthMiddleware`.
        """
        request: object = ctx.request
        principal: object = request.scope.get(PRINCIPAL) if isinstance(request, HTTPConnection) else None
        if isinstance(principal, Principal):
            return principal
        raise Denied("This request carries no client.", fix=TOKEN_FIX)

    # -- open requests ----------------------------------------------------------------------------------------

    @contextmanager
    def open_request(self, client: AuthenticatedClient) -> Generator[anyio.CancelScope]:
        """A scope that is cancelled when the client's token is revoked or expires: streams stay open for hours."""
        request = OpenRequest(client)
        if client.until:
            left = max(0.0, client.until - time.time())
            request.ends_at = self._elapsed() + left
            request.scope.deadline = anyio.current_time() + left
        if client.stored or client.until:
            self._open_requests.add(request)
        try:
            with request.scope:
                yield request.scope
        finally:
            self._open_requests.discard(request)

    async def watch(self, agenda: Agenda) -> None:
        """Until cancelled: end open requests whose tokens were revoked, by any process, or have expired."""
        with closing(agenda.watch()) as changes:
            while True:
                changed = await changes.wait(LOOK_S)
                self._end_run_out()
                # A revocation concerns no conversation; commits of other processes come as None.
                if self._open_requests and not changed and self._stored is not None:
                    await self._end_revoked(self._stored)

    def _end_run_out(self) -> None:
        """End requests with expired tokens after the machine slept or the clock was set: timers miss both."""
        for request in list(self._open_requests):
            until = request.client.until
            if until and (self._elapsed() >= request.ends_at or time.time() >= until):
                request.scope.cancel()

    async def _end_revoked(self, stored: Clients) -> None:
        valid = {client.token_hash for client in await stored.all()}
        for request in [
            request for request in self._open_requests if request.client.stored and request.client.stored not in valid
        ]:
            logger.info("%s was revoked; an open request of it ends", request.client.principal.name)
            request.scope.cancel()


def token_in(authorization: str) -> str:
    """The bearer token of an Authorization header; "" for none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def user_of(name: str, scopes: frozenset[PolicyScope]) -> AuthenticatedUser:
    return AuthenticatedUser(AccessToken(token="", client_id=name, scopes=sorted(scopes)))
