"""The engine's lane for forgetting: goes on with what was begun, and forgets what is older than its channel keeps.

What is forgotten is gone, so the wall clock alone is not believed. Nothing is forgotten for its age in the first
minutes, in which a machine that was just started sets its clock; nothing has grown older by a clock that was set ahead
while the engine ran; and where much more time seems to have passed than between two looks, the first waits for an hour.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import anyio

from bridge_mcp.operations import status_board
from bridge_mcp.operations.clocks import Jumps
from bridge_mcp.operations.forgetting import Keepers, go_on, retain
from bridge_mcp.ports import Rules

__all__ = ["keep_forgetting", "patience"]

logger = logging.getLogger(__name__)

LOOK_S = 300.0
"""How often it looks whether something that was begun is left."""

RETAIN_S = 24 * 3600.0
"""How often it looks for what is too old: afterwards the whole file is written anew."""

SETTLE_S, DOUBT_S = 300.0, 3600.0
"""After a start: how long nothing is forgotten for its age, and how long where the clock is in doubt."""

DOUBTFUL_S = 30 * RETAIN_S
"""The clock is in doubt where it shows that so much time has passed since the last look, or that it is yet to come."""


async def keep_forgetting(keepers: Keepers, rules: Rules, jumps: Jumps, elapsed: Callable[[], float]) -> None:
    """Until cancelled."""
    last = await status_board.last_retention_at(keepers.store)
    due = elapsed() + patience(last, keepers.clock.now())
    while True:
        if elapsed() >= due:
            due = elapsed() + RETAIN_S
            if count := await retain(keepers, rules, jumps.old_before):
                logger.info("forgot what was too old in %d conversations", count)
            await status_board.publish(keepers.store, "retained", keepers.clock.now())
        if not await go_on(keepers):
            logger.warning("what was forgotten is in free pages of the store still: other processes read from it")
        await anyio.sleep(LOOK_S)


def patience(last: float, now: float) -> float:
    """The seconds for which nothing is forgotten for its age after a start. `last`: the last look; 0 for none."""
    if not last or 0 <= now - last < DOUBTFUL_S:
        return SETTLE_S
    logger.warning(
        "the clock says that the last look for what is too old was %.0f days ago: the next one waits for an hour, in "
        "which a clock that is wrong can be set",
        (now - last) / RETAIN_S,
    )
    return DOUBT_S
