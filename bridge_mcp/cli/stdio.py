"""`bridge-mcp` alone: MCP over standard input and output, which carry nothing else."""

from __future__ import annotations

import gc
import logging
import sys
from asyncio import get_running_loop
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from bridge_mcp.cli.run import loop, prepare, report
from bridge_mcp.cli.start_options import StdioOptions
from bridge_mcp.config import Config
from bridge_mcp.core.errors import BadInput, BridgeError
from bridge_mcp.core.policy import SCOPES, Principal, Scope
from bridge_mcp.core.safe_text import visible
from bridge_mcp.server.stdio.reserve_fds import Wire, claim

if TYPE_CHECKING:
    from bridge_mcp.assembly import Assembly
    from bridge_mcp.server.apps.cards import CardPages
    from bridge_mcp.server.protocol.claude_channel import ClaudeChannel
    from bridge_mcp.service import Bridge

__all__ = ["serve"]

logger = logging.getLogger(__name__)

HANDSHAKE_S = 0.5
"""How long after its first words a host may ask for the tools before the engine starts beside it."""

ANSWERED_S = 0.05
"""How long an answer takes to be written: the engine's imports must not stand in its way."""


def serve(options: StdioOptions) -> int:
    """Serve until the host leaves."""
    if sys.stdin.isatty():
        from bridge_mcp.cli.texts.serving import AT_A_TERMINAL

        sys.stderr.write(AT_A_TERMINAL)
    wire = claim()
    try:
        config = prepare(options.config, options.log_level, json=options.log_json)
        loop(run, config, principal(config, options.scopes, options.expose), wire, options.channel, serving=True)
    except BridgeError as exc:
        return report(exc)
    return 0


async def run(config: Config, who: Principal, wire: Wire, channel: bool = False) -> None:
    """One face over stdio; the engine, if it falls to this process, starts when the handshake is over."""
    from bridge_mcp.assembly import open_bridge
    from bridge_mcp.server.app import always, build_server
    from bridge_mcp.server.stdio.serve import serve_stdio

    async with open_bridge(config, engine="soon", on_ready=gc.freeze) as assembly:
        logger.info("settings: %s", visible(config.where))
        server = build_server(
            assembly.bridge, always(who), exposes=bool(who.expose), card=lambda: card(assembly.bridge)
        )
        after_handshake(server.middleware, assembly.want_engine)
        async with claude_channel(assembly, who) if channel else nullcontext() as pushing:
            if pushing is not None:
                pushing.add_to(server)
            await serve_stdio(server, wire)


def card(bridge: Bridge) -> CardPages:
    """The pages of the card of the approvals: what makes them is loaded once a host asks for one."""
    from bridge_mcp.console.card import Card

    return Card(bridge)


@asynccontextmanager
async def claude_channel(assembly: Assembly, who: Principal) -> AsyncGenerator[ClaudeChannel]:
    """A channel of Claude Code; prompts that its session leaves behind lapse with this process."""
    from bridge_mcp.operations.external_calls import ExternalCalls
    from bridge_mcp.operations.relayed_prompts import RelayedPrompts
    from bridge_mcp.server.protocol.claude_channel import ClaudeChannel

    bridge = assembly.bridge
    async with assembly.callers.held() as caller:
        calls = ExternalCalls(assembly.store, bridge.rules, bridge.clock, caller=caller)
        yield ClaudeChannel(bridge, who, RelayedPrompts(calls).ask)


def after_handshake(middleware: list[Any], callback: Callable[[], None]) -> None:
    """Call `callback` once the host has its list of tools, or does not ask for it; the host waits for none of it."""

    async def look(context: Any, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        handshake = context.method in ("initialize", "notifications/initialized", "server/discover")
        try:
            return await call_next(context)
        finally:
            get_running_loop().call_later(HANDSHAKE_S if handshake else ANSWERED_S, callback)
            if not handshake and look in middleware:
                middleware.remove(look)

    middleware.append(look)


def server_names(config: Config, expose: str) -> list[str]:
    """The tool servers that --expose names.

    Raises:
        BadInput: there is none of that name.
    """
    names = [name.strip() for name in expose.split(",") if name.strip()]
    configured = [server.name for server in config.tool_servers]
    if unknown := [name for name in names if name not in (*configured, "*")]:
        listed = ", ".join(configured) or "none"
        raise BadInput(f"--expose: there is no tool server '{unknown[0]}'.", fix=f"The tool servers are: {listed}.")
    return names


def principal(config: Config, scopes: str | None, expose: str | None = None) -> Principal:
    """Whoever started this process: with the scopes of --scopes and the tools of --expose, or those of the config.

    Raises:
        BadInput: there is no such scope, or no such tool server.
    """
    configured = config.stdio.principal
    if expose is not None:
        configured = replace(configured, expose=frozenset(server_names(config, expose)))
    if scopes is None:
        return configured
    names = [name.strip() for name in scopes.split(",") if name.strip()]
    if unknown := [name for name in names if name not in SCOPES]:
        raise BadInput(f"--scopes: there is no scope '{unknown[0]}'.", fix=f"The scopes are: {', '.join(SCOPES)}.")
    granted: frozenset[Scope] = frozenset(scope for scope in SCOPES if scope in names)
    return replace(configured, scopes=granted)
