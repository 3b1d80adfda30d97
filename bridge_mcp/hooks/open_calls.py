"""The calls that are not over, found with next to nothing loaded: most hooks after a call concern none."""

from __future__ import annotations

import json

from bridge_mcp.core.errors import StoreError
from bridge_mcp.hooks.events import Ended, Outcome
from bridge_mcp.hooks.filing import prefix_of
from bridge_mcp.hooks.hosts import Host
from bridge_mcp.stores.quick_request import heads, waits_for_verdict

__all__ = ["OVER", "any_open", "open_calls"]

OVER = ("Finished", "Stopped", "Collected")
"""The kinds of entries that end the log of a call."""


def open_calls(path: str, host: Host, session: str) -> tuple[str, ...]:
    """The logs of a session's calls that are not over.

    Raises:
        StoreError: the store cannot be read so.
    """
    found = heads(path, prefix_of(host, session))
    return tuple(name for name, body in found.items() if json.loads(body).get("kind") not in OVER)


def any_open(path: str, host: Host, news: Outcome | Ended) -> bool:
    """Whether news may concern a call that is open; where the store cannot be read so, they may."""
    try:
        return bool(open_calls(path, host, news.session)) or is_relayed(path, host, news)
    except StoreError:
        return True


def is_relayed(path: str, host: Host, news: Outcome | Ended) -> bool:
    """Whether the host's channel has had people asked about a call of the tool that is told of.

    Raises:
        StoreError: the store cannot be read so.
    """
    return isinstance(news, Outcome) and waits_for_verdict(path, f"channel:{host.name}__{news.tool}")
