"""Webhooks of the Agent Approval Protocol: an instance is told that a request of its is decided, and looks by itself.

A message says which request it is of and nothing else. It comes again under the same id until the receiver has taken
it; where events were forgotten meanwhile, agents find out by looking, as the protocol has them do.
"""

from __future__ import annotations

from uuid import UUID, uuid5

from bridge_mcp.core.events import Event
from bridge_mcp.ports import EventSubscription
from bridge_mcp.server.http.aap_format import id_of
from bridge_mcp.server.tools.answers import instant
from bridge_mcp.server.tools.json_text import compact

__all__ = ["verdict_message"]


def verdict_message(subscription: EventSubscription, event: Event) -> tuple[str, str]:
    """The id and the body of the message that tells of a verdict: the same for the same instance and request."""
    request = id_of(event.conversation.rpartition(".")[2])
    message = str(uuid5(UUID(subscription.instance), f"resolved {request}"))
    body = {
        "id": message,
        "type": "request.resolved",
        "instance_id": subscription.instance,
        "request_id": request,
        "created_at": instant(event.at),
    }
    return message, compact(body)
