"""All tools of the MCP face, in the order in which clients see them."""

from __future__ import annotations

from bridge_mcp.server.tools.act import APPROVE_TOOLS, CALL_TOOLS, SEND_TOOLS
from bridge_mcp.server.tools.admin import ADMIN_TOOLS
from bridge_mcp.server.tools.read import READ_TOOLS
from bridge_mcp.server.tools.requesting import REQUEST_TOOLS
from bridge_mcp.server.tools.tool import Tool

__all__ = ["TOOLS", "available_tools"]

TOOLS: tuple[Tool, ...] = (*READ_TOOLS, *SEND_TOOLS, *APPROVE_TOOLS, *CALL_TOOLS, *REQUEST_TOOLS, *ADMIN_TOOLS)


def available_tools(*, provider: bool, relay: bool, topics: bool) -> tuple[Tool, ...]:
    """The tools that this configuration has, of all scopes."""
    return tuple(
        each
        for each in TOOLS
        if (provider or not each.provider) and (relay or not each.relay) and (topics or not each.topics)
    )
