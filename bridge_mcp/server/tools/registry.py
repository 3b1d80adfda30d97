"""All tools of the MCP face, in the order in which clients see them."""

from __future__ import annotations

from bridge_mcp.server.tools.act import APPROVE_TOOLS, CALL_TOOLS, SEND_TOOLS
from bridge_mcp.server.tools.admin import ADMIN_TOOLS
from bridge_mcp.server.tools.read import READ_TOOLS
from bridge_mcp.server.tools.tool import Tool

__all__ = ["TOOLS"]

TOOLS: tuple[Tool, ...] = (*READ_TOOLS, *SEND_TOOLS, *APPROVE_TOOLS, *CALL_TOOLS, *ADMIN_TOOLS)
