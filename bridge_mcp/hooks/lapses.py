"""Calls that nobody waits for any more: their prompts say so, and their logs."""

from __future__ import annotations

from bridge_mcp.core.entries import Finished
from bridge_mcp.core.errors import Conflict
from bridge_mcp.core.evidence import closing
from bridge_mcp.operations.external_calls import ended
from bridge_mcp.ports import Store

__all__ = ["lapse"]


async def lapse(store: Store, conversation: str, outcome: Finished) -> bool:
    """Write what became of a call, and that its verdict is waited for no longer; False where its log says already."""
    while True:
        log = await store.log.load(conversation)
        if not log or ended(log) is not None:
            return False
        try:
            await store.log.intend(conversation, log[-1].seq + 1, *closing(log, outcome), wake=None)
        except Conflict:
            continue
        return True
