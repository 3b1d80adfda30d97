"""Publishes the progress of running calls in the feed: at most once a second, all calls in one commit.

Nothing depends on it, so only the feed's events are stored: unpublished progress is lost when the process ends.
"""

from __future__ import annotations

import logging

import anyio

from bridge_mcp.core.entries import Started, approval_id
from bridge_mcp.core.errors import StoreError
from bridge_mcp.core.events import Event
from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import Clock, Feed, ToolProgress
from bridge_mcp.wakeup import Signal

__all__ = ["ProgressPublisher"]

logger = logging.getLogger(__name__)

TELL_S = 1.0
"""The shortest time between two progress events of a call."""
MAX_WORDS = 200
"""Characters."""


class ProgressPublisher:
    """Takes what servers tell, as often as they like, and publishes the latest of each call."""

    def __init__(self, feed: Feed, clock: Clock) -> None:
        self._feed = feed
        self._clock = clock
        self._latest: dict[tuple[str, str], Event] = {}
        self._wake = Signal()

    def listener(self, conversation: str, started: Started) -> ToolProgress:
        """Where a call's progress goes."""
        call, approval = started.call, approval_id(conversation, started.call)

        def hear(progress: float, total: float | None, words: str) -> None:
            message = "".join(char if char.isprintable() else " " for char in words[:MAX_WORDS])
            body: dict[str, JSON] = {
                "call": call,
                "approval": approval,
                "tool": started.tool,
                "digest": started.digest,
                "progress": progress,
                "total": total,
                "message": message,
            }
            self._latest[conversation, call] = Event("tool.progress", conversation, self._clock.now(), body=body)
            self._wake.set()

        return hear

    def finish(self, conversation: str, call: str) -> None:
        """The call has its outcome: there is nothing left to tell."""
        self._latest.pop((conversation, call), None)

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._wake.wait()
            events, self._latest = self._latest, {}
            if events:
                try:
                    await self._feed.publish(*events.values())
                except StoreError as exc:  # the next word of each call tells more than this one did
                    logger.warning("the progress of %d calls could not be told: %s", len(events), exc)
                await anyio.sleep(TELL_S)
