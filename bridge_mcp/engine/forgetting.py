"""The engine's lane for forgetting: goes on with what was begun, and forgets what is older than its channel keeps."""

from __future__ import annotations

import logging

import anyio

from bridge_mcp.operations.forgetting import Keepers, go_on, retain
from bridge_mcp.ports import Rules

__all__ = ["keep_forgetting"]

logger = logging.getLogger(__name__)

LOOK_S = 600.0
"""How often it looks whether something that was begun is left."""

RETAIN_S = 24 * 3600.0
"""How often it looks for what is too old: afterwards the whole file is written anew."""


async def keep_forgetting(keepers: Keepers, rules: Rules) -> None:
    """Until cancelled."""
    retained: float | None = None
    while True:
        now = keepers.clock.now()
        if retained is None or not 0 <= now - retained < RETAIN_S:
            retained = now
            if count := await retain(keepers, rules):
                logger.info("forgot what was too old in %d conversations", count)
        if not await go_on(keepers):
            logger.warning("what was forgotten is in free pages of the store still: other processes read from it")
        await anyio.sleep(LOOK_S)
