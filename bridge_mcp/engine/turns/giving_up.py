"""Gives up a turn that fails unexpectedly again and again, so that its chat can go on.

The failure may be in anything that reads the log, so this reads as little of it as possible: its end, and the waiting
approvals. The reference that people are shown is in the process's logging output, beside the error.
"""

from __future__ import annotations

import logging
import secrets

from bridge_mcp.core import chat_texts
from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import Judged, Stopped
from bridge_mcp.core.errors import Conflict, StoreError
from bridge_mcp.core.projections import BRIDGE
from bridge_mcp.engine.supervision import first_error
from bridge_mcp.engine.turns.deps import Deps
from bridge_mcp.operations.waiting_approvals import waiting

__all__ = ["MAX_FAILURES", "give_up", "is_own_failure"]

logger = logging.getLogger(__name__)

MAX_FAILURES = 4
"""How often in a row a conversation may fail until its turn is ended: with the pauses between them, for some 7 s."""


def is_own_failure(error: Exception) -> bool:
    """Whether a failure is the conversation's own. One of the store is not: it passes, or nothing can be written."""
    return not isinstance(first_error(error), StoreError)


async def give_up(deps: Deps, conversation: str, error: Exception) -> None:
    """End the turn of a conversation, and close what it waits for.

    Raises:
        StoreError: this cannot be written.
    """
    reference = secrets.token_hex(4)
    logger.error("%s: given up, reference %s", conversation, reference, exc_info=error)
    reason = f"it failed unexpectedly {MAX_FAILURES} times in a row: reference {reference}"
    text = chat_texts.failed(reference) if Address.of(conversation).channel in deps.traits else ""
    while True:
        stored = await deps.store.history.conversation(conversation)
        if stored is None:
            return
        closed = [
            Judged(approval.call, "cancelled", BRIDGE.id, digest=approval.digest, note=reason, via="rule")
            async for approval in waiting(deps.store, conversation=conversation)
            if approval.call
        ]
        try:
            stopped = Stopped(reason, stored.head, BRIDGE.id, text=text)
            await deps.store.log.intend(conversation, stored.head, *closed, stopped)
        except Conflict:
            continue
        return
