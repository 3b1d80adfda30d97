"""The calls that are not over, found with next to nothing loaded: most hooks after a call concern none."""

from __future__ import annotations

import json

from bridge_mcp.core.errors import StoreError
from bridge_mcp.hooks.events import Ended, Outcome
from bridge_mcp.hooks.filing import prefix_of
from bridge_mcp.hooks.hosts import Host
from bridge_mcp.stores.quick_request import look

__all__ = ["OVER", "any_open", "open_calls"]

OVER = ("Finished", "Stopped", "Collected")
"""The kinds of entries that end the log of a call."""


def open_calls(place: str, host: Host, session: str) -> tuple[str, ...]:
    """The logs of a session's calls that are not over. `place` is the file of the store, or the URL of its database.

    Raises:
        StoreError: the store cannot be read so.
    """
    return not_over(look(place, prefix_of(host, session))[0])


def any_open(place: str, host: Host, news: Outcome | Ended) -> bool:
    """Whether news may concern a call that is open; where the store cannot be read so, they may.

    Beside the session's own calls that is one of the tool that is told of, about which the host's channel has had
    people asked.
    """
    relayed = f"channel:{host.name}__{news.tool}" if isinstance(news, Outcome) else ""
    try:
        heads, waits = look(place, prefix_of(host, news.session), relayed)
    except StoreError:
        return True
    return waits or bool(not_over(heads))


def not_over(heads: dict[str, str]) -> tuple[str, ...]:
    return tuple(name for name, body in heads.items() if json.loads(body).get("kind") not in OVER)
