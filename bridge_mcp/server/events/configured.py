"""MCP Events by the config: the methods that clients call, and the engine's lane; loads the rest where it is needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from mcp.server.lowlevel import Server

    from bridge_mcp.core.policy import Principal
    from bridge_mcp.ports import Clock
    from bridge_mcp.service import Bridge

__all__ = ["event_lanes", "serve_events"]


def serve_events(
    server: Server[Any], bridge: Bridge, principal_of: Callable[[ServerRequestContext[Any, Any]], Principal]
) -> None:
    """Add the methods of MCP Events to a server, if they are configured; otherwise their modules are not loaded."""
    if bridge.rules.events.offered:
        from bridge_mcp.server.events.methods import ClientEvents

        ClientEvents(bridge, principal_of).add_to(server)


def event_lanes(bridge: Bridge, clock: Clock) -> dict[str, Callable[[], Awaitable[None]]]:
    """The engine's lane that posts events to callbacks of clients, where that is configured.

    Instances of the Agent Approval Protocol have callbacks too, where the bridge is an approval provider.
    """
    if not (bridge.rules.events.webhooks or bridge.rules.provider):
        return {}
    from bridge_mcp.server.events.deliveries import EventDeliveries

    return {"Posting events to callbacks": EventDeliveries(bridge, clock).run}
