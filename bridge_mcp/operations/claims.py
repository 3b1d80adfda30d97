"""Claims of conversations: one of several agents has a conversation for itself for a while, and no other writes there.

A claim binds clients alone. The owner and the people of a chat write at any time, and so does the assistant.
"""

from __future__ import annotations

from datetime import UTC, datetime

from bridge_mcp.core.errors import BadInput, Denied, TooMany
from bridge_mcp.core.policy import Principal
from bridge_mcp.ports import Claim, Store

__all__ = ["MAX_CLAIM_S", "claim", "free_for", "release"]

MAX_CLAIM_S = 3600.0
"""How long a claim may hold: an agent that is gone keeps nobody off for longer."""
MAX_CLAIMS = 100
"""Conversations that one client may hold at once."""


async def claim(store: Store, who: Principal, conversation: str, for_s: float, now: float) -> Claim:
    """Claim a conversation from now on, or hold it for another while.

    Raises:
        BadInput: nobody may claim it for so long.
        Denied: another client holds it.
        TooMany: `who` holds too many.
    """
    if not 0 < for_s <= MAX_CLAIM_S:
        raise BadInput(f"A claim cannot hold {for_s:g} s.", fix=f"Use up to {MAX_CLAIM_S:g}, and claim it again.")
    holding = await store.claims.claim(Claim(conversation, who.name, now + for_s), now, at_most=MAX_CLAIMS)
    if holding is None:
        raise TooMany(f"{who.name} has claimed {MAX_CLAIMS} conversations.", fix="Release one first.")
    if holding.client != who.name:
        raise claim_error(holding, now)
    return holding


async def release(store: Store, who: Principal, conversation: str, now: float) -> None:
    """Give a conversation back; fine where `who` does not hold it."""
    await store.claims.release(conversation, who.name, now)


async def free_for(store: Store, who: Principal, conversation: str, now: float) -> None:
    """Return if `who` may write in a conversation.

    Raises:
        Denied: another client holds it.
    """
    if who.kind == "client":
        holding = await store.claims.holding(conversation, now)
        if holding is not None and holding.client != who.name:
            raise claim_error(holding, now)


def claim_error(holding: Claim, now: float) -> Denied:
    """Who holds it, and until when."""
    until = datetime.fromtimestamp(holding.until, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Denied(
        f"{holding.client} has claimed {holding.conversation} until {until}, for another {holding.until - now:.0f} s.",
        fix="Leave it to that client, or try again then; the event conversation.released tells if it is free before.",
    )
