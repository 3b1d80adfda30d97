"""All tools of the face, in the order in which every client sees them."""

from __future__ import annotations

from bridge_mcp.server.tool import Tool
from bridge_mcp.server.tools_act import APPROVE_TOOLS, CALL_TOOLS, SEND_TOOLS
from bridge_mcp.server.tools_admin import ADMIN_TOOLS
from bridge_mcp.server.tools_read import READ_TOOLS

__all__ = ["TOOLS"]

TOOLS: tuple[Tool, ...] = (*READ_TOOLS, *SEND_TOOLS, *APPROVE_TOOLS, *CALL_TOOLS, *ADMIN_TOOLS)
