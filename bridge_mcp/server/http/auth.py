"""Authentication of MCP over HTTP: checks the Host and Origin headers, the bearer token, and the rate limits.

It comes before everything else, so that no body of an unauthenticated client is read.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

import anyio
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge_mcp.core.bearer_tokens import OAuth, hash_token
from bridge_mcp.listening import WELCOME
from bridge_mcp.server.http.authenticator import PRINCIPAL, TOKEN_FIX, AuthenticatedClient, Authenticator
from bridge_mcp.server.http.cors import exposing, is_preflight, preflight_headers
from bridge_mcp.server.http.jwks import IssuerAway
from bridge_mcp.server.http.rate_limit import RateLimiter

__all__ = ["LOOPBACK", "AuthMiddleware", "Authenticator", "hash_token", "name_of"]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

METADATA = "/.well-known/oauth-protected-resource"

STRANGERS_PER_S, STRANGERS_AT_ONCE = 5.0, 20
"""The rate limit of an address for requests without a known token; authenticated clients there are not limited by
it."""

UNCHECKED_PER_S, UNCHECKED_AT_ONCE = 50.0, 200
"""The rate limit for checks by the issuer's keys, over all addresses: those are cheap to have."""

AT_ONCE = 128
"""Open requests of one client: the other connections are for the others."""

ONCE = (b"host", b"origin", b"authorization")
"""Headers that may occur once only: a proxy could decide by another one than this server."""


class AuthMiddleware:
    """ASGI middleware: passes a request to `app` if its host, its origin and its token are known.

    A web page can send requests here under a host name of its own (DNS rebinding), so the Host header has to name this
    server, and an Origin header, which only browsers send, has to be an allowed one.

    Args:
        app: the application behind it.
        authenticator: authenticates tokens.
        path: the path of `app`; any other is a 404.
        beside: further paths of `app`.
        below: a path of `app` with all that is below it, beside that; empty for none.
        hosts: names that the Host header may have, without ports; empty: any, which is safe with tokens.
        origins: further origins (`https://name`), beside pages of `hosts` and of this machine. Only their pages may
            read answers and send what browsers ask for first (CORS).
        rates: the rate limit of each client.
        oauth: the issuer whose tokens are accepted; a 401 names its metadata.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        *,
        path: str,
        beside: frozenset[str] = frozenset(),
        below: str = "",
        hosts: frozenset[str],
        origins: frozenset[str] = frozenset(),
        rates: RateLimiter | None = None,
        oauth: OAuth | None = None,
    ) -> None:
        self._app = app
        self._path = path
        self._paths = beside | {path}
        self._below = f"{below}/" if below else ""
        self._authenticator = authenticator
        self._hosts = hosts
        self._origins = frozenset(each.rstrip("/").lower() for each in origins)
        self._rates = rates or RateLimiter(0, 1)
        self._strangers = RateLimiter(STRANGERS_PER_S, STRANGERS_AT_ONCE)
        self._unchecked = RateLimiter(UNCHECKED_PER_S, UNCHECKED_AT_ONCE)
        self._under_way: Counter[str] = Counter()
        self._oauth = oauth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if len(headers) < len(scope["headers"]) and (twice := repeated_header(scope["headers"])):
            refused = refusal(400, "bad_request", f"There is more than one {twice} header.", "Send one.")
            await refused(scope, receive, send)
            return
        host = headers.get(b"host", b"").decode("latin-1")
        if self._hosts and name_of(f"//{host}") not in self._hosts:
            fix = f"Use one of: {', '.join(sorted(self._hosts))}; or add it to the allowed hosts."
            refused = refusal(421, "unknown_host", f"This server does not go by the name '{host[:80]}'.", fix)
            await refused(scope, receive, send)
            return
        origin = headers.get(b"origin", b"").decode("latin-1")
        allowed_origin, preflighting = origin.lower() in self._origins, is_preflight(scope.get("method", ""), headers)
        own_page = name_of(origin) in self._hosts | LOOPBACK and not preflighting
        if origin and not allowed_origin and not own_page:
            fix = "Add it to allowed_origins of [http], if you trust that page."
            refused = refusal(403, "unknown_origin", f"Pages of '{origin[:80]}' may not use this server.", fix)
            await refused(scope, receive, send)
            return
        if preflighting:
            preflight = preflight_headers(headers[b"origin"], headers)
            await send({"type": "http.response.start", "status": 204, "headers": preflight})
            await send({"type": "http.response.body", "body": b""})
            return
        if allowed_origin:
            send = exposing(send, headers[b"origin"])
        await self._route(headers.get(b"authorization"), scope, receive, send)

    async def _route(self, authorization: bytes | None, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/")
        if self._oauth is not None and path in (METADATA, f"{METADATA}{self._path}"):
            await JSONResponse(metadata(self._oauth))(scope, receive, send)
        elif path not in self._paths and not (self._below and path.startswith(self._below)):
            missing = refusal(404, "not_found", "There is nothing here.", f"MCP is at {self._path}.")
            await missing(scope, receive, send)
        else:
            header = None if authorization is None else authorization.decode("latin-1")
            await self._authenticate(header, scope, receive, send)

    async def _authenticate(self, authorization: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate a request, and apply the rate limits."""
        client = await self._authenticator.known(authorization) or await self._checked(authorization, scope)
        if isinstance(client, Response):
            await client(scope, receive, send)
            return
        name = client.principal.name
        if seconds := self._rates.take(name):
            await too_often(seconds, f"{name} asks too often.")(scope, receive, send)
            return
        if self._under_way[name] >= AT_ONCE:
            await too_often(1, f"{name} has {AT_ONCE} requests under way.")(scope, receive, send)
            return
        scope[PRINCIPAL] = client.principal
        if client.user is not None:
            scope["user"] = client.user
        if welcome := scope.get("state", {}).get(WELCOME):
            welcome()
        self._under_way[name] += 1
        try:
            await self._serve_until_revoked(client, scope, receive, send)
        finally:
            self._under_way[name] -= 1
            if not self._under_way[name]:
                del self._under_way[name]

    async def _checked(self, authorization: str | None, scope: Scope) -> AuthenticatedClient | Response:
        """The client of a token that the issuer's keys have to verify, or the response that refuses the request.

        The rate limit comes before the check, which may take long and keep others waiting.
        """
        address = network_key((scope.get("client") or ("",))[0])
        if seconds := self._strangers.take(address):
            return too_often(seconds, "There were too many tries without a known token.")
        if authorization is not None and self._authenticator.may_be_issued(authorization):
            if seconds := self._unchecked.take(""):
                return too_often(seconds, "There are too many tokens to check.")
            try:
                client = await self._authenticator.issued(authorization)
            except IssuerAway as exc:
                return unavailable(math.ceil(exc.retry_s))
            if client is not None:
                self._strangers.give_back(address)
                self._unchecked.give_back("")
                return client
        why = "A token is needed." if authorization is None else "The token is not known."
        return refusal(401, "invalid_token", why, TOKEN_FIX, self._challenge())

    async def _serve_until_revoked(
        self, client: AuthenticatedClient, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Pass the request on, and end it when its token is revoked or expires."""
        begun = done = False

        async def send_and_note(message: Message) -> None:
            nonlocal begun, done
            begun = True
            done = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        with self._authenticator.open_request(client) as request_scope:
            await self._app(scope, receive, send_and_note)
        if not request_scope.cancelled_caught or done:
            return
        with anyio.move_on_after(1, shield=True):
            if begun:
                await send({"type": "http.response.body", "body": b""})
            else:
                why = "The token is not known any more."
                await refusal(401, "invalid_token", why, TOKEN_FIX, self._challenge())(scope, receive, send)

    def _challenge(self) -> str:
        """The parameters of `WWW-Authenticate` in a 401."""
        if self._oauth is None:
            return ""
        resource = urlsplit(self._oauth.resource)
        return f', resource_metadata="{resource.scheme}://{resource.netloc}{METADATA}{resource.path.rstrip("/")}"'


def repeated_header(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """A header of `ONCE` that occurs more than once; "" for none."""
    counts = Counter(name for name, _ in headers)
    return next((name.decode() for name in ONCE if counts[name] > 1), "")


def network_key(address: str) -> str:
    """The key of an address for its rate limit: of IPv6 the /64, all of which one client usually has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ip_network((address, 64), strict=False))


def name_of(url: str) -> str:
    """The host name in a URL, in lower case; "" if there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def metadata(oauth: OAuth) -> Mapping[str, Any]:
    """The protected resource metadata (RFC 9728)."""
    return {
        "resource": oauth.resource,
        "authorization_servers": [oauth.issuer],
        "scopes_supported": sorted(oauth.scopes),
        "bearer_methods_supported": ["header"],
        "resource_name": "bridge-mcp",
    }


def too_often(seconds: int, message: str) -> Response:
    body = {"error": "too_many_requests", "error_description": f"{message} Try again in {seconds} s."}
    return JSONResponse(body, 429, {"retry-after": str(seconds)})


def unavailable(seconds: int) -> Response:
    why = "The token cannot be checked: its issuer's keys cannot be fetched."
    body = {"error": "temporarily_unavailable", "error_description": f"{why} Try again in {seconds} s."}
    return JSONResponse(body, 503, {"retry-after": str(seconds)})


def refusal(status: int, code: str, message: str, fix: str, challenge: str = "") -> Response:
    headers = {"www-authenticate": f'Bearer realm="bridge-mcp", error="{code}"{challenge}'} if status == 401 else None
    return JSONResponse({"error": code, "error_description": f"{message} {fix}"}, status, headers)
