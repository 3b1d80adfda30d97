"""MCP Events (SEP-3415): events that clients poll, or that are posted to them as signed webhooks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge_mcp.ports import Clock
    from bridge_mcp.service import Bridge

__all__ = ["event_lanes"]


def event_lanes(bridge: Bridge, clock: Clock) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """The engine's lane that posts events to callbacks of clients, where that is configured."""
    if not bridge.rules.events.webhooks:
        return {}
    from bridge_mcp.server.events.deliveries import EventDeliveries

    return {"Posting events to callbacks": EventDeliveries(bridge, clock).run}
