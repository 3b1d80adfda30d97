"""A page of a chat's messages, and of the tool calls between them, as much as one answer holds."""

from __future__ import annotations

from bridge_mcp.core.policy import Principal
from bridge_mcp.server.tools import serialize, serialize_calls
from bridge_mcp.server.tools.pages import MAX_TOKENS, fitting, page
from bridge_mcp.server.tools.schemas import MessagePageShape
from bridge_mcp.service import Bridge

__all__ = ["message_page"]


async def message_page(
    bridge: Bridge, who: Principal, conversation: str, *, before: str = "", limit: int = 50, calls: bool = False
) -> MessagePageShape:
    """The last messages before `before`, oldest first; fewer than `limit` where they are long.

    Tool calls are told beside them in half of the room; where they need more, the oldest are left out and counted.
    """

    async def ask(most: int) -> MessagePageShape:
        found = await bridge.read_messages(who, conversation, before=before, limit=most, calls=calls)
        shape = serialize.message_page(found)
        if found.calls is not None:
            shape["calls"] = serialize_calls.calls(found.calls)
        return shape

    tokens = MAX_TOKENS // 2 if calls else MAX_TOKENS
    shape = await page(ask, "messages", limit, newest_last=True, tokens=tokens)
    listed = shape.get("calls", [])
    fits = fitting(listed[::-1], tokens)
    if fits < len(listed):
        shape["calls"], shape["calls_left_out"] = listed[-fits:], len(listed) - fits
    return shape
