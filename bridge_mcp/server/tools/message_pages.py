"""A page of a chat's messages, and of the tool calls between them, that fits into one result."""

from __future__ import annotations

from bridge_mcp.core.policy import Principal
from bridge_mcp.server.tools.answers import MessagePage
from bridge_mcp.server.tools.excerpts import MAX_TOKENS
from bridge_mcp.server.tools.pages import fitting, page
from bridge_mcp.service import Bridge

__all__ = ["message_page"]


async def message_page(
    bridge: Bridge, who: Principal, conversation: str, *, before: str = "", limit: int = 50, calls: bool = False
) -> MessagePage:
    """The last messages before `before`, oldest first; fewer than `limit` if they are long.

    Tool calls get half of the room; if they need more, the oldest are left out and counted.
    """

    async def ask(most: int) -> MessagePage:
        return MessagePage.of(await bridge.read_messages(who, conversation, before=before, limit=most, calls=calls))

    tokens = MAX_TOKENS // 2 if calls else MAX_TOKENS
    answer = await page(ask, "messages", limit, newest_last=True, tokens=tokens)
    if answer.calls:
        fits = fitting(answer.as_json()["calls"][::-1], tokens)
        answer.calls, answer.calls_left_out = answer.calls[-fits:], len(answer.calls) - fits
    return answer
