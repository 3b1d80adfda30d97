"""MCP over Streamable HTTP at `/mcp`, in both eras of the protocol, under uvicorn.

Sessions exist for handshake-era clients alone, and stand in the store: any process that serves it answers. Serving ends
on SIGTERM, SIGINT and SIGHUP. Knows nothing of tools.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial

from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from msgspec import Struct, field
from starlette.types import ASGIApp

from bridge_mcp.core.bearer_tokens import OAuth
from bridge_mcp.core.errors import ConfigError
from bridge_mcp.core.policy import Principal
from bridge_mcp.listening import Limits, Server, configured, listening
from bridge_mcp.server.app import STDIO_SCOPES, BridgeServer
from bridge_mcp.server.apps.cards import CardPages
from bridge_mcp.server.http.aap import PREFIX, ApprovalProtocol, LongPolls, ProtocolErrorMiddleware
from bridge_mcp.server.http.auth import LOOPBACK, Authenticator, AuthMiddleware, name_of
from bridge_mcp.server.http.beside import BesideMiddleware, MountedApp
from bridge_mcp.server.http.body_limit import BodyLimitMiddleware
from bridge_mcp.server.http.disconnect import DisconnectMiddleware, hung_up
from bridge_mcp.server.http.json_responses import JsonResponseMiddleware
from bridge_mcp.server.http.metrics import METRICS, MetricsMiddleware
from bridge_mcp.server.http.probes import ProbesMiddleware
from bridge_mcp.server.http.rate_limit import RateLimiter
from bridge_mcp.server.http.shared_sessions import SharedSessions
from bridge_mcp.server.stdio.lifetime import settle, stop_on_signals
from bridge_mcp.service import Bridge

__all__ = ["HttpOptions", "serve_http"]

PATH = "/mcp"

MAX_BODY = 16 * 1024 * 1024
"""Bytes of one request; as much as a line over stdio."""

BODY_S = 60.0
"""Seconds in which a request's body has to arrive."""

LEAVE_S = 2
"""Seconds that open responses have when serving ends."""


class HttpOptions(Struct, frozen=True, kw_only=True):
    """Where MCP is served over HTTP, to whom, and within which limits."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: any free one."""
    clients: Mapping[str, Principal] = field(default_factory=dict[str, Principal])
    """Who may connect, by the hash of their bearer token, beside those in the store."""
    insecure_loopback: bool = False
    """Let every process of this machine in without a token, with the scopes of stdio."""
    allowed_hosts: Sequence[str] = ()
    """Names by which clients reach this server, beside `host` and those of this machine."""
    allowed_origins: Sequence[str] = ()
    """Origins of web pages that may use it."""
    oauth: OAuth | None = None
    """An issuer whose tokens are accepted too."""
    rate_per_s: float = 200.0
    """Requests that each client may make in a second, in the long run; 0 for any number."""
    burst: int = 1000
    """Requests that each client may make at once."""
    body_s: float = BODY_S
    limits: Limits | None = None
    """Limits and time-outs of connections."""
    beside: MountedApp | None = None
    """What is served beside MCP, such as the console."""
    card: Callable[[], CardPages] | None = None
    """Makes the pages of the card of the approvals."""


async def serve_http(
    bridge: Bridge, options: HttpOptions, *, on_ready: Callable[[int], object] = lambda port: None
) -> None:
    """Serve until a signal asks to stop. `on_ready` is called once with the port, when connections are answered.

    Raises:
        ConfigError: nobody could connect, anybody could, or the address is not free.
    """
    stored = bridge.store.clients
    has_clients = bool(options.clients or options.oauth or await stored.all())
    anonymous = anonymous_principal(options.host, has_clients, options.insecure_loopback)
    authenticator = Authenticator(options.clients, anonymous, stored, options.oauth)
    face = BridgeServer(
        bridge,
        authenticator.principal_of,
        hung_up,
        exposes=any(each.expose for each in options.clients.values()),
        card=options.card,
    )
    sessions = StreamableHTTPSessionManager(face.server, max_request_body_size=MAX_BODY)

    def started() -> None:
        settle()
        if options.beside:
            options.beside.prepare()
        on_ready(listener.getsockname()[1])

    with listening(options.host, options.port, "Choose another address or port.") as listener:
        polls = LongPolls()
        shared = SharedSessions(JsonResponseMiddleware(StreamableHTTPASGIApp(sessions)), bridge.store, bridge.clock)
        closers = (polls.close, shared.close, *([options.beside.close] if options.beside else []))
        app = guard(shared, authenticator, options, bridge, polls)
        server = Server(configured(app, LEAVE_S, options.limits), started)
        await run_until_stopped(
            server, listener, sessions, face, closers, partial(authenticator.watch, bridge.store.agenda)
        )
    if not server.started:
        raise ConfigError("MCP over HTTP did not start.", fix="The log says why.")


def guard(
    sessions: ASGIApp, authenticator: Authenticator, options: HttpOptions, bridge: Bridge, polls: LongPolls
) -> ASGIApp:
    """The application of the sessions behind authentication, the limit for bodies, and clients that hang up.

    `/metrics` stands beside it, authenticated alike, and so does, where the bridge is an approval provider, the Agent
    Approval Protocol. The probes stand before authentication.
    """
    app: ASGIApp = BodyLimitMiddleware(DisconnectMiddleware(sessions), MAX_BODY, options.body_s)
    app = MetricsMiddleware(app, bridge)
    provider = bridge.rules.provider
    gate = AuthMiddleware(
        ApprovalProtocol(app, bridge, polls) if provider else app,
        authenticator,
        path=PATH,
        beside=frozenset({METRICS}),
        below=PREFIX if provider else "",
        hosts=hosts_of(options.host, options.allowed_hosts),
        origins=frozenset(options.allowed_origins),
        rates=RateLimiter(options.rate_per_s, options.burst),
        oauth=options.oauth,
    )
    served = ProbesMiddleware(ProtocolErrorMiddleware(gate) if provider else gate, bridge)
    return BesideMiddleware(served, options.beside) if options.beside else served


async def run_until_stopped(
    server: Server,
    listener: socket.socket,
    sessions: StreamableHTTPSessionManager,
    face: BridgeServer,
    closers: Sequence[Callable[[], object]],
    watch: Callable[[], Coroutine[None, None, None]],
) -> None:
    """Answer requests until a signal asks to stop; `watch` runs beside. `closers` gives the answers that are held."""
    serving: asyncio.Task[None] | None = None
    try:
        async with sessions.run():
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            watching = asyncio.create_task(watch())
            try:
                await wait_for_stop(serving)
            finally:
                watching.cancel()
            face.push.close()
            for close in closers:
                close()
    finally:
        # Only after the sessions have ended: uvicorn waits for their open responses.
        server.should_exit = True
        if serving is not None:
            await serving


async def wait_for_stop(serving: asyncio.Task[None]) -> None:
    """Wait for a signal to stop, or until serving ends by itself."""
    stopped = asyncio.Event()
    watching = asyncio.create_task(stopped.wait())
    try:
        with stop_on_signals(stopped):
            await asyncio.wait([serving, watching], return_when=asyncio.FIRST_COMPLETED)
    finally:
        watching.cancel()


def anonymous_principal(host: str, has_clients: bool, insecure_loopback: bool) -> Principal | None:
    """The principal of requests without a token, if those are allowed. `has_clients`: whether there is any token.

    Raises:
        ConfigError: nobody could connect, or anybody on the network could.
    """
    if insecure_loopback and host not in LOOPBACK:
        raise ConfigError(
            f"Without tokens, {host} would let in whoever reaches it.",
            fix="Listen on 127.0.0.1, or give each client a token: bridge-mcp clients add NAME.",
        )
    if not has_clients and not insecure_loopback:
        raise ConfigError(
            "No client has a token, so nobody could connect over HTTP.",
            fix="Make one with: bridge-mcp clients add NAME --scopes read,send (or [clients.NAME] in bridge.toml).",
        )
    return Principal("loopback", "client", STDIO_SCOPES, via="mcp") if insecure_loopback else None


def hosts_of(host: str, allowed: Sequence[str]) -> frozenset[str]:
    """The names that the Host header may have; empty: any, for a server that listens on all addresses."""
    names = {name_of(f"//{each}") for each in allowed}
    if host in ("", "0.0.0.0", "::"):
        return frozenset(names | LOOPBACK) if names else frozenset()
    return frozenset(names | LOOPBACK | {host.lower()})
