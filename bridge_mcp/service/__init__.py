"""`Bridge`: the one API of the MCP face, the CLI, the console and programs that embed the bridge.

Every method takes the principal who acts, checks its scope and its limits first, and works the same in every process:
it reads the store and appends to logs; the engine, here or in another process, does the rest. It knows no protocol and
no platform. Times are epoch seconds, durations are seconds, ids are strings that other methods returned.
"""

from __future__ import annotations

from bridge_mcp.operations.clocks import elapsed
from bridge_mcp.service.administration import Administration
from bridge_mcp.service.attachments import Fetched
from bridge_mcp.service.base import MAX_WAIT_S, OWNER, SchemaCheck
from bridge_mcp.service.clients import Clients
from bridge_mcp.service.deciding import ApprovalOptions, Deciding, decided
from bridge_mcp.service.looking import ApprovalDetails, GrantPreview, Looking
from bridge_mcp.service.reading import Reading
from bridge_mcp.service.requesting import Requesting, Submission
from bridge_mcp.service.status import StatusReading
from bridge_mcp.service.tickets import Following
from bridge_mcp.service.usage import UsageReading

__all__ = [
    "MAX_WAIT_S",
    "OWNER",
    "ApprovalDetails",
    "ApprovalOptions",
    "Bridge",
    "Fetched",
    "GrantPreview",
    "SchemaCheck",
    "Submission",
    "decided",
    "elapsed",
]


class Bridge(Reading, StatusReading, Looking, UsageReading, Following, Deciding, Requesting, Administration, Clients):
    """The API of the bridge: all methods of the groups in this package."""
