"""Whether the day's budget for models is spent."""

from __future__ import annotations

from bridge_mcp.core.spending import Caps, day_of, exceeded_cap, scopes
from bridge_mcp.ports import Spending

__all__ = ["reached_cap"]


async def reached_cap(spending: Spending, caps: Caps, conversation: str, now: float) -> str:
    """Which of the day's caps a conversation has reached, in words; "" if none."""
    if not caps.any:
        return ""
    return exceeded_cap(caps, conversation, await spending.on(day_of(now), *scopes(conversation)))
