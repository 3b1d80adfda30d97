"""[events]: how clients may get events by MCP Events."""

from __future__ import annotations

from bridge_mcp.config import schema
from bridge_mcp.config.problems import Problems
from bridge_mcp.ports import EventRules

__all__ = ["events"]


def events(section: schema.Events, problems: Problems) -> EventRules:
    """How clients may get events."""
    for host in section.local_hosts:
        name, _, port = host.rpartition(":")
        if not name or not port.isdecimal():
            problems.add(
                "events.local_hosts", f"'{host}' names no port.", 'Write "HOST:PORT", such as "10.0.0.5:8443".'
            )
    return EventRules(
        poll="poll" in section.delivery,
        webhooks="webhook" in section.delivery,
        local_hosts=frozenset(host.lower() for host in section.local_hosts),
        of_client=section.max_subscriptions,
    )
