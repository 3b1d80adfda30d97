"""The calls of a session that are not over, found with next to nothing loaded: most hooks after a call concern none."""

from __future__ import annotations

import json

from bridge_mcp.core.errors import StoreError
from bridge_mcp.hooks.filing import prefix_of
from bridge_mcp.hooks.hosts import Host
from bridge_mcp.stores.quick_request import heads

__all__ = ["any_open", "open_calls"]

OVER = ("Finished", "Stopped", "Collected")
"""The kinds of entries that end the log of a call."""


def open_calls(path: str, host: Host, session: str) -> tuple[str, ...]:
    """The logs of a session's calls that are not over.

    Raises:
        StoreError: the store cannot be read so.
    """
    found = heads(path, prefix_of(host, session))
    return tuple(name for name, body in found.items() if json.loads(body).get("kind") not in OVER)


def any_open(path: str, host: Host, session: str) -> bool:
    """Whether there may be such calls; where the store cannot be read so, there may be."""
    try:
        return bool(open_calls(path, host, session))
    except StoreError:
        return True
