"""All waiting approvals, and the clean-up of those whose calls are over."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

from bridge_mcp.core.entries import Judged
from bridge_mcp.core.errors import StoreError
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.state import open_calls
from bridge_mcp.ports import Store

__all__ = ["close_what_is_over", "waiting"]

logger = logging.getLogger(__name__)

PAGE = 200

OVER = "its call was over before"


async def waiting(
    store: Store, *, conversation: str = "", within: frozenset[str] = frozenset(), before: str = ""
) -> AsyncIterator[Approval]:
    """All waiting approvals, or those older than `before`, the newest first."""
    while True:
        page = await store.approvals.find(
            status="waiting", conversation=conversation, within=within, limit=PAGE, before=before
        )
        for approval in page:
            yield approval
        if len(page) < PAGE:
            return
        before = page[-1].id


async def close_what_is_over(store: Store) -> None:
    """Cancel the approvals whose calls are over: earlier versions left some open.

    An unreadable one is logged and left as it is.
    """
    for approval in [a async for a in waiting(store)]:
        try:
            open_now = {call.id for call, _ in open_calls(await store.log.tail(approval.conversation))}
            if approval.call and approval.call not in open_now:
                cancelled = Judged(approval.call, "cancelled", "bridge", digest=approval.digest, note=OVER, via="rule")
                await store.log.record(approval.conversation, cancelled)
        except StoreError as exc:
            logger.error("%s: the approval %s cannot be looked at: %s", approval.conversation, approval.id, exc)
