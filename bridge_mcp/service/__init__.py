"""`Bridge`: the one API of the MCP face, the CLI, the console and programs that embed the bridge.

Every method takes the principal who acts, checks its scope and its limits first, and works the same in every process:
it reads the store and appends to logs; the engine, here or in another process, does the rest. It knows no protocol and
no platform. Times are epoch seconds, durations seconds, ids the strings that other methods answered.
"""

from __future__ import annotations

from bridge_mcp.engine.clocks import elapsed
from bridge_mcp.service.administration import Administration
from bridge_mcp.service.clients import Clients
from bridge_mcp.service.deciding import Deciding, Yes, decided
from bridge_mcp.service.desk import MAX_WAIT_S, OWNER, SchemaCheck
from bridge_mcp.service.filing import Fetched
from bridge_mcp.service.following import Following
from bridge_mcp.service.reading import Reading

__all__ = ["MAX_WAIT_S", "OWNER", "Bridge", "Fetched", "SchemaCheck", "Yes", "decided", "elapsed"]


class Bridge(Reading, Following, Deciding, Administration, Clients):
    """The bridge, as whoever drives it sees it."""
