"""The gate before MCP over HTTP: which hosts and origins may speak to it, and which client a bearer token is.

It stands before everything else, so that a stranger's body is never read. Knows tokens only as hashes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import ServerRequestContext
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge_mcp.core.errors import Denied
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.policy import Scope as PolicyScope

__all__ = ["LOOPBACK", "Client", "Gate", "Visitors", "hash_token", "name_of"]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

TOKEN_FIX = "Send 'Authorization: Bearer TOKEN' with the token of a [clients.NAME] section in bridge.toml."


@dataclass(frozen=True, slots=True)
class Client:
    """A client that may connect. `token_hash` is what `hash_token` gives; empty `channels` means every channel."""

    name: str
    token_hash: str
    scopes: frozenset[PolicyScope]
    channels: frozenset[str] = frozenset()


def hash_token(token: str) -> str:
    """A token as it is kept: SHA-256 in hex. Tokens are long and random, so that no slow hash is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class Visitors:
    """Who the clients are. A request says so by its token; `anybody` comes without one, where that is allowed."""

    def __init__(self, clients: Sequence[Client], anybody: Principal | None = None) -> None:
        self._clients = tuple(clients)
        self._users: Mapping[str, AuthenticatedUser] = {
            c.name: AuthenticatedUser(AccessToken(token="", client_id=c.name, scopes=sorted(c.scopes)))
            for c in self._clients
        }
        self._principals: Mapping[str, Principal] = {
            c.name: Principal(c.name, "client", c.scopes, c.channels) for c in self._clients
        }
        self._anybody = anybody

    def may_pass(self, user: AuthenticatedUser | None, authorization: str) -> bool:
        """Whether a request may pass: with a known token, or with none where none is asked for."""
        return user is not None or (self._anybody is not None and not (authorization and self._clients))

    def user(self, authorization: str) -> AuthenticatedUser | None:
        """Whose token an Authorization header carries. Every hash is compared, in constant time."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        given, found = hash_token(token.strip()), None
        for client in self._clients:
            if hmac.compare_digest(given, client.token_hash):
                found = self._users[client.name]
        return found

    def principal_of(self, ctx: ServerRequestContext[Any, Any]) -> Principal:
        """Who makes a request, from the user that the gate left with its HTTP request.

        Raises:
            Denied: the request did not come by the gate.
        """
        request: object = ctx.request
        user: object = request.scope.get("user") if isinstance(request, HTTPConnection) else None
        if isinstance(user, AuthenticatedUser):
            return self._principals[user.access_token.client_id]
        if self._anybody is None:
            raise Denied("This request carries no client.", fix=TOKEN_FIX)
        return self._anybody


class Gate:
    """ASGI middleware: lets a request pass to `app` if its host, its origin and its token are known.

    A page in a browser can be made to send requests here under a name of its own (DNS rebinding), so the Host header
    has to name this server, and an Origin header, which only browsers send, has to be one of ours.

    Args:
        app: what is behind the gate.
        visitors: whose tokens are known.
        path: where `app` is; there is nothing else.
        hosts: names by which this server may be addressed, without ports; empty for any, which is safe with tokens.
        origins: further origins (`https://name`), beside pages of `hosts` and of this machine.
    """

    def __init__(
        self,
        app: ASGIApp,
        visitors: Visitors,
        *,
        path: str,
        hosts: frozenset[str],
        origins: frozenset[str] = frozenset(),
    ) -> None:
        self._app = app
        self._path = path
        self._visitors = visitors
        self._hosts = hosts
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if self._hosts and name_of(f"//{host}") not in self._hosts:
            fix = f"Use one of: {', '.join(sorted(self._hosts))}; or add it to the allowed hosts."
            await refuse(send, 421, "unknown_host", f"This server does not go by the name '{host[:80]}'.", fix)
            return
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and origin not in self._origins and name_of(origin) not in self._hosts | LOOPBACK:
            fix = "Add it to the allowed origins, if you trust that page."
            await refuse(send, 403, "unknown_origin", f"Pages of '{origin[:80]}' may not use this server.", fix)
            return
        if scope["path"].rstrip("/") != self._path:
            await refuse(send, 404, "not_found", "There is nothing here.", f"MCP is at {self._path}.")
            return
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        user = self._visitors.user(authorization)
        if not self._visitors.may_pass(user, authorization):
            why = "The token is not known." if authorization else "A token is needed."
            await refuse(send, 401, "invalid_token", why, TOKEN_FIX)
            return
        if user is not None:
            scope["user"] = user
        await self._app(scope, receive, send)


def name_of(url: str) -> str:
    """The host name in a URL, in small letters; "" if there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


async def refuse(send: Send, status: int, code: str, message: str, fix: str) -> None:
    body = json.dumps({"error": code, "error_description": f"{message} {fix}"}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", f'Bearer realm="bridge-mcp", error="{code}"'.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
