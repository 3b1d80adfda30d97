"""Writes what happens in the bridge into the process's log, a line each: of all processes, as the feed tells it."""

from __future__ import annotations

import logging
from collections import OrderedDict
from contextlib import closing

import anyio

from bridge_mcp.core.activity import FAILURES, activity
from bridge_mcp.core.events import Event
from bridge_mcp.ports import Clock, Store

__all__ = ["ActivityLog"]

logger = logging.getLogger(__name__)

TOGETHER_S = 0.2
"""How long what happened is gathered: a turn is a dozen commits, and one look at the feed."""
PAGE = 200
REMEMBERED = 1000
"""Messages whose time is kept, to tell how long their turns took."""


class ActivityLog:
    """Follows the feed from where it stands when the engine begins."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._heard: OrderedDict[str, float] = OrderedDict()
        """When messages came that have no answer yet, by their id."""
        self._cursor: int | None = None

    @staticmethod
    def wanted() -> bool:
        """Whether anybody would see it."""
        return logger.isEnabledFor(logging.INFO)

    async def run(self) -> None:
        """Until cancelled."""
        feed = self._store.feed
        with closing(self._store.agenda.watch()) as changes:
            if self._cursor is None:
                self._cursor = await feed.head()
            while True:
                page = await feed.read(self._cursor, PAGE)
                for event in page.events:
                    await self._tell(event)
                if self._cursor == page.cursor:
                    await changes.wait()
                    await anyio.sleep(TOGETHER_S)
                self._cursor = page.cursor

    async def _tell(self, event: Event) -> None:
        if event.type == "pairing.requested":
            await self._tell_of_stranger(event)
            return
        if line := activity(event):
            level = logging.WARNING if event.type in FAILURES else logging.INFO
            logger.log(level, "%s%s", line, self._duration(event))

    def _duration(self, event: Event) -> str:
        """How long a turn took, where its beginning was seen."""
        if event.type == "message.received":
            self._heard[str(event.body.get("message"))] = event.at
            if len(self._heard) > REMEMBERED:
                self._heard.popitem(last=False)
        elif event.type == "turn.finished":
            began = self._heard.pop(str(event.body.get("turn")), None)
            return f" in {event.at - began:.1f} s" if began is not None else ""
        return ""

    async def _tell_of_stranger(self, event: Event) -> None:
        """Tell who asks to be let in, with the code.

        The code is for the owner's log alone, and no event tells it: it says which chat its owner means, and only who
        may let people in can do anything with it.
        """
        channel, subject = event.body.get("channel"), event.body.get("subject")
        for request in await self._store.access.requests(self._clock.now()):
            if (request.channel, request.subject) == (channel, subject):
                logger.info(
                    "%s: %s (%s) asks to be let in: bridge-mcp pair add %s",
                    channel, request.name[:60], subject, request.code,
                )  # fmt: skip
