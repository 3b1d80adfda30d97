"""An error in the words of the face that shows it: what agents know as tools, people know as commands and pages."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bridge_mcp.core.errors import BridgeError

__all__ = ["AS_COMMANDS", "AS_PAGES", "in_words"]

AS_COMMANDS = {
    "get_status": "bridge-mcp status",
    "list_approvals": "bridge-mcp approvals list",
    "list_channels": "bridge-mcp status",
    "list_conversations": "bridge-mcp conversations",
    "list_grants": "bridge-mcp approvals grants",
    "list_pairings": "bridge-mcp pair list",
    "list_tools": "bridge-mcp servers list",
    "read_messages": "bridge-mcp events",
    "run_turn": "bridge-mcp say --wait",
    "scheduled_messages": "bridge-mcp scheduled",
    "send_message": "bridge-mcp send",
}
"""By tool: the command that does the same."""

AS_PAGES = {
    "get_status": "Health",
    "list_approvals": "Approvals",
    "list_channels": "Channels",
    "list_conversations": "Conversations",
    "list_grants": "Grants",
    "list_pairings": "Pairing",
    "list_tools": "Tool servers",
    "read_messages": "the conversation",
    "scheduled_messages": "bridge-mcp scheduled",
    "send_message": "the conversation's own field",
}
"""By tool: the page of the console that shows the same, or the command where there is none."""


def in_words(error: Exception, words: Mapping[str, str]) -> str:
    """What an error says, with its fix in these words; what went wrong may quote others, and stays as it is."""
    told, fix = str(error), error.fix if isinstance(error, BridgeError) else ""
    if not fix or not told.endswith(fix):
        return told
    return told.removesuffix(fix) + re.sub(r"\b[a-z]+_[a-z]+\b", lambda found: words.get(found[0], found[0]), fix)
