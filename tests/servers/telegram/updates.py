"""The updates that wait for the bot: numbered, kept for a day, gone once confirmed.

https://core.telegram.org/bots/api#getting-updates. Knows nothing of how they are delivered.
"""

from __future__ import annotations

import json
from collections import deque
from itertools import islice
from random import Random
from typing import cast

from bridge_mcp.ports import Clock
from tests.servers.telegram.texts import Object

__all__ = ["KINDS", "ON_REQUEST", "UpdateQueue"]

DAY_S, WEEK_S = 86_400.0, 604_800.0
ON_REQUEST = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
KINDS = ON_REQUEST | frozenset(
    "message edited_message channel_post edited_channel_post business_connection business_message "
    "edited_business_message deleted_business_messages inline_query chosen_inline_result callback_query "
    "shipping_query pre_checkout_query purchased_paid_media poll poll_answer my_chat_member chat_join_request "
    "chat_boost removed_chat_boost".split()
)
FAR = 10
"""An offset this far ahead of the last update is taken for one of another time, and for none."""


class UpdateQueue:
    """Updates in order. Not safe for threads by itself: whoever calls holds the lock of the state."""

    def __init__(self, clock: Clock, first_id: int = 100_000_001) -> None:
        self.allowed: frozenset[str] | None = None
        """None: the default, everything but what must be asked for."""
        self._clock, self._next, self._last_at = clock, first_id, clock.now()
        self._random = Random(first_id)
        self._waiting: deque[tuple[float, Object]] = deque()

    def allow(self, kinds: str) -> None:
        """Take over `allowed_updates` as it was sent; what is not a list of names changes nothing."""
        if not kinds:
            return
        try:
            read: object = json.loads(kinds)
        except ValueError:
            return
        if isinstance(read, list):
            names = frozenset(str(name).lower() for name in cast("list[object]", read)) & KINDS
            self.allowed = names or None

    def push(self, kind: str, payload: Object) -> int | None:
        """Add an update; its id, or None when the bot did not ask for this kind."""
        wanted = kind not in ON_REQUEST if self.allowed is None else kind in self.allowed
        if not wanted:
            return None
        now = self._clock.now()
        if now - self._last_at >= WEEK_S:
            # Documented: after a week without updates the next id is random.
            self._next = self._random.randrange(100_000_000, 2_000_000_000)
        self._last_at = now
        number = self._next
        self._next += 1
        self._waiting.append((now, {"update_id": number, kind: payload}))
        return number

    def take(self, offset: int, limit: int) -> list[Object]:
        """What waits from `offset` on, at most `limit`; everything before it is confirmed and gone.

        A negative offset keeps that many from the end and forgets the others.
        """
        self.expire()
        if offset < 0:
            while len(self._waiting) > -offset:
                self._waiting.popleft()
        elif offset <= self._next + FAR:
            while self._waiting and self._waiting[0][1]["update_id"] < offset:
                self._waiting.popleft()
        return [update for _, update in islice(self._waiting, limit)]

    def confirm(self, update_id: int) -> None:
        """This one was delivered."""
        self._waiting = deque(entry for entry in self._waiting if entry[1]["update_id"] != update_id)

    def clear(self) -> None:
        self._waiting.clear()

    def expire(self) -> None:
        """Documented: nothing is kept longer than 24 hours."""
        while self._waiting and self._clock.now() - self._waiting[0][0] > DAY_S:
            self._waiting.popleft()

    def __len__(self) -> int:
        self.expire()
        return len(self._waiting)
