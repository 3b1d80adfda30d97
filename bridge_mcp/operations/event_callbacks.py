"""Callbacks of clients that fail to take their events (MCP Events), in words for the owner."""

from __future__ import annotations

from bridge_mcp.core.policy import Principal
from bridge_mcp.core.results import Fix
from bridge_mcp.operations.status_warnings import CHECK, Warned
from bridge_mcp.ports import EventSubscription, Store

__all__ = ["failing_callbacks"]

MAX_SHOWN = 10
"""Subscriptions that are told one by one; of others only how many there are."""


async def failing_callbacks(store: Store, who: Principal | None = None) -> tuple[Warned, ...]:
    """A warning for each subscription whose deliveries fail, the longest first.

    A client that is limited to some places is told of its own. No URL is told: clients put secrets into them.
    """
    client = who.name if who is not None and who.within else ""
    subscriptions, count = await store.subscriptions.failing(client, MAX_SHOWN)
    more = count - len(subscriptions)
    further = (Warned(f"{more:,} more subscriptions to events fail.", CHECK),) if more > 0 else ()
    return (*(Warned(failure_text(s), Fix("callback", s.id)) for s in subscriptions), *further)


def failure_text(subscription: EventSubscription) -> str:
    """What fails, and what becomes of it."""
    times = {0: "before it was renewed", 1: "once"}.get(
        subscription.failures, f"{subscription.failures} times in a row"
    )
    subject = (
        f"Events {subscription.event} for client {subscription.client}: their callback at {subscription.host} fails"
    )
    reason = f" ({subscription.last_error})" if subscription.last_error else ""
    next_step = (
        "Nothing is posted until the client subscribes again, and nothing is lost while the feed keeps its events."
        if subscription.suspended
        else "It is tried again, after pauses of up to ten minutes."
    )
    return f"{subject}{reason}, {times}. {next_step}"
