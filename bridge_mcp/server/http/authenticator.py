"""Who comes over HTTP: the client that a bearer token stands for, and for how long it stands for it.

Tokens are of three kinds: those of the configuration, those that were made while the bridge ran (and may be revoked at
any time, by any process), and those of an OAuth issuer. Knows tokens only as hashes, and no HTTP but one header.
"""

from __future__ import annotations

import hmac
import logging
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from cachetools import TTLCache
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import ServerRequestContext
from starlette.requests import HTTPConnection

from bridge_mcp.core.bearer_tokens import OAuth, hash_token
from bridge_mcp.core.errors import Denied
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.policy import Scope as PolicyScope
from bridge_mcp.ports import Agenda, Clients
from bridge_mcp.server.http.jwt import JwtVerifier, principal_of
from bridge_mcp.service import elapsed

__all__ = ["TOKEN_FIX", "AuthenticatedClient", "Authenticator", "Client"]

logger = logging.getLogger(__name__)

TOKEN_FIX = "Send 'Authorization: Bearer TOKEN': one of [clients.NAME] in bridge.toml, or of bridge-mcp clients add."

PRINCIPAL = "bridge_mcp.principal"
"""Where the gate leaves who comes, in a request's scope."""

VERIFIED_S = 60.0
"""How long a signature that was checked counts."""
MAX_VERIFIED = 1024
"""Tokens that are remembered so."""

LOOK_S = 30.0
"""How often open requests are looked at though nothing seems to have changed."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client of the configuration. `token_hash` is what `hash_token` gives; no limits mean everywhere."""

    name: str
    token_hash: str
    scopes: frozenset[PolicyScope]
    channels: frozenset[str] = frozenset()
    conversations: frozenset[str] = frozenset()
    person_decides: bool = False
    """Whether a person sits at its host, who decides in a form of it on the calls that it asks for."""


@dataclass(frozen=True, slots=True)
class AuthenticatedClient:
    """Whoever makes a request. `user` is how the SDK tells sessions apart."""

    principal: Principal
    user: AuthenticatedUser | None = None
    stored: str = ""
    """The hash of its token, where that may be revoked."""
    until: float = 0.0
    """When its token runs out, in epoch seconds; 0 for never."""


@dataclass(eq=False, slots=True)
class OpenRequest:
    """One request that is under way."""

    visitor: AuthenticatedClient
    ends: float = math.inf
    """When its token runs out, in elapsed time, which counts that in which the machine slept."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Verified:
    """The issuer's tokens that were found good a moment ago, by hash: their signatures are not checked at each request.

    A token is looked at anew after `VERIFIED_S`, so that a key that its issuer takes back ends it soon.
    """

    def __init__(self, now: Callable[[], float] = elapsed) -> None:
        self._found: TTLCache[str, AuthenticatedClient] = TTLCache(MAX_VERIFIED, VERIFIED_S, now)

    def get(self, token_hash: str) -> AuthenticatedClient | None:
        visitor = self._found.get(token_hash)
        return None if visitor is None or time.time() >= visitor.until else visitor

    def keep(self, token_hash: str, visitor: AuthenticatedClient) -> None:
        self._found[token_hash] = visitor


class Authenticator:
    """Who may come in.

    Args:
        clients: those of the configuration.
        anybody: who comes without a token, where that is allowed.
        stored: those that were let in while the bridge ran.
        oauth: whose tokens are taken beside.
        elapsed: seconds that passed, those in which the machine slept included.
    """

    def __init__(
        self,
        clients: Sequence[Client],
        anybody: Principal | None = None,
        stored: Clients | None = None,
        oauth: OAuth | None = None,
        elapsed: Callable[[], float] = elapsed,
    ) -> None:
        self._known: Mapping[str, AuthenticatedClient] = {
            c.token_hash: AuthenticatedClient(
                Principal(
                    c.name,
                    "client",
                    c.scopes,
                    channels=c.channels,
                    conversations=c.conversations,
                    via="mcp",
                    attended=c.person_decides,
                ),
                user_of(c.name, c.scopes),
            )
            for c in clients
        }
        self._anybody = anybody
        self._stored = stored
        self._oauth = oauth
        self._verifier = JwtVerifier(oauth) if oauth else None
        self._verified = Verified(elapsed)
        self._elapsed = elapsed
        self._stays: set[OpenRequest] = set()

    async def known(self, authorization: str | None) -> AuthenticatedClient | None:
        """Whose token an Authorization header carries, as far as that is known here; who comes without the header."""
        if authorization is None:
            return None if self._anybody is None else AuthenticatedClient(self._anybody)
        token = token_in(authorization)
        if not token:
            return None
        given, found = hash_token(token), None
        for token_hash, visitor in self._known.items():  # all of them, each in constant time
            if hmac.compare_digest(given, token_hash):
                found = visitor
        return found or await self._by_stored(given) or self._verified.get(given)

    def may_be_issued(self, authorization: str | None) -> bool:
        """Whether it takes the issuer's keys to say whose token this is: that costs more, and others wait for it."""
        return self._verifier is not None and token_in(authorization or "").count(".") == 2

    async def issued(self, authorization: str) -> AuthenticatedClient | None:
        """Whose token of the issuer this is.

        Raises:
            IssuerAway: nobody can say now.
        """
        token = token_in(authorization)
        verified = await self._verifier.verify_token(token) if self._verifier is not None else None
        if verified is None or self._oauth is None:
            return None
        who = principal_of(verified, self._oauth)
        visitor = AuthenticatedClient(who, AuthenticatedUser(verified), until=float(verified.expires_at or 0))
        self._verified.keep(hash_token(token), visitor)
        return visitor

    async def _by_stored(self, token_hash: str) -> AuthenticatedClient | None:
        client = await self._stored.by_token(token_hash) if self._stored is not None else None
        if client is None:
            return None
        # A name that was given away again is another client: sessions are told apart by the token too.
        return AuthenticatedClient(
            client.principal, user_of(f"{client.name}:{token_hash[:16]}", client.scopes), token_hash
        )

    def principal_of(self, ctx: ServerRequestContext[Any, Any]) -> Principal:
        """Who makes a request, as the gate left it with its HTTP request.

        Raises:
            Denied: the request did not come by the gate.
        """
        request: object = ctx.request
        found: object = request.scope.get(PRINCIPAL) if isinstance(request, HTTPConnection) else None
        if isinstance(found, Principal):
            return found
        raise Denied("This request carries no client.", fix=TOKEN_FIX)

    # -- while they are here ----------------------------------------------------------------------------------

    @contextmanager
    def staying(self, visitor: AuthenticatedClient) -> Generator[anyio.CancelScope]:
        """A scope that is cancelled as soon as the visitor's token holds no longer: streams stay open for hours."""
        stay = OpenRequest(visitor)
        if visitor.until:
            left = max(0.0, visitor.until - time.time())
            stay.ends = self._elapsed() + left
            stay.scope.deadline = anyio.current_time() + left
        if visitor.stored or visitor.until:
            self._stays.add(stay)
        try:
            with stay.scope:
                yield stay.scope
        finally:
            self._stays.discard(stay)

    async def watch(self, agenda: Agenda) -> None:
        """Until cancelled: notice what is revoked, here or elsewhere, or has run out, and end what was open."""
        with closing(agenda.watch()) as changes:
            while True:
                changed = await changes.wait(LOOK_S)
                self._end_run_out()
                # What is revoked concerns no conversation; commits of other processes are told as None.
                if self._stays and not changed and self._stored is not None:
                    await self._end_revoked(self._stored)

    def _end_run_out(self) -> None:
        """End what outlived its token where the machine slept or the clock was set: the loop knows of neither."""
        for stay in list(self._stays):
            until = stay.visitor.until
            if until and (self._elapsed() >= stay.ends or time.time() >= until):
                stay.scope.cancel()

    async def _end_revoked(self, stored: Clients) -> None:
        valid = {client.token_hash for client in await stored.all()}
        for stay in [stay for stay in self._stays if stay.visitor.stored and stay.visitor.stored not in valid]:
            logger.info("%s was revoked; an open request of it ends", stay.visitor.principal.name)
            stay.scope.cancel()


def token_in(authorization: str) -> str:
    """The bearer token of an Authorization header; "" where it holds none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def user_of(name: str, scopes: frozenset[PolicyScope]) -> AuthenticatedUser:
    return AuthenticatedUser(AccessToken(token="", client_id=name, scopes=sorted(scopes)))
