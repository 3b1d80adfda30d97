"""Puts a console together, and serves one on loopback by itself: what `bridge-mcp console` does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field

from bridge_mcp.console.app import Console
from bridge_mcp.console.guard import ConsoleHosts
from bridge_mcp.console.sessions import Sessions
from bridge_mcp.console.visitors import Visitors
from bridge_mcp.core.bearer_tokens import OAuth
from bridge_mcp.core.errors import ConfigError
from bridge_mcp.core.policy import Principal
from bridge_mcp.listening import Limits, Server, configured, listening
from bridge_mcp.server.http.app import wait_for_stop
from bridge_mcp.server.http.authenticator import Authenticator
from bridge_mcp.server.stdio.lifetime import settle
from bridge_mcp.service import Bridge

__all__ = ["ConsoleOptions", "make_console", "serve_console"]

LEAVE_S = 1
"""Seconds that open responses have when serving ends."""


class ConsoleOptions(Struct, frozen=True, kw_only=True):
    """Who may sign in to a console, and by which names browsers reach it."""

    clients: Mapping[str, Principal] = field(default_factory=dict[str, Principal])
    """By the hash of their token."""
    oauth: OAuth | None = None
    allowed_hosts: Sequence[str] = ()


def make_console(bridge: Bridge, options: ConsoleOptions) -> Console:
    """A console for a bridge. Nobody comes in without a token or a link, whoever may use MCP without one."""
    authenticator = Authenticator(options.clients, None, bridge.store.clients, options.oauth)
    visitors = Visitors(authenticator)
    return Console(
        bridge,
        Sessions(visitors.current, bridge.store.face_sessions, bridge.clock.now),
        visitors.sign_in,
        places=ConsoleHosts(frozenset(each.lower() for each in options.allowed_hosts)),
        taken=tuple(each.name for each in options.clients.values()),
    )


async def serve_console(console: Console, port: int, on_ready: Callable[[str], object]) -> None:
    """Serve a console on 127.0.0.1 until a signal asks to stop. `on_ready` is called with its origin.

    Raises:
        ConfigError: the port is not free.
    """

    def started() -> None:
        settle()
        console.prepare()
        on_ready(f"http://127.0.0.1:{listener.getsockname()[1]}")

    with listening("127.0.0.1", port, "Choose another port, or 0 for any.") as listener:
        server = Server(configured(console, LEAVE_S, Limits()), started)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await wait_for_stop(serving)
        finally:
            console.close()
            server.should_exit = True
            await serving
            await console.sessions.close_links()
    if not server.started:
        raise ConfigError("The console did not start.", fix="The log says why.")
