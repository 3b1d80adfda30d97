"""Whether the day's budget for models is spent."""

from __future__ import annotations

from bridge_mcp.core.spending import Caps, day_of, over, scopes
from bridge_mcp.ports import Spending

__all__ = ["reached"]


async def reached(spending: Spending, caps: Caps, conversation: str, now: float) -> str:
    """Which of the day's caps a conversation has reached, in words; "" if none."""
    if not caps.any:
        return ""
    return over(caps, conversation, await spending.on(day_of(now), *scopes(conversation)))
