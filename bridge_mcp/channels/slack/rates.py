"""Slack's rates, kept by ourselves so that a refusal (429) is the exception.

Messages: one a second in a channel, with short bursts. All other methods: so many a minute by their tier
(https://docs.slack.dev/apis/web-api/rate-limits). A request that may go soon waits here; one that may not for a while
is sent back with the time, so that nobody stands in line behind it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping

import anyio
from msgspec import Struct

__all__ = ["Pace", "Rate", "rate_of"]

PATIENCE_S = 1.5
REMEMBERED = 2_048
"""Channels and methods whose last requests are known."""


class Rate(Struct, frozen=True):
    """One request every `every_s` seconds in the long run, and `burst` at once after a rest."""

    every_s: float
    burst: int


MESSAGE = Rate(1.0, 3)
TIERS: Mapping[int, Rate] = {2: Rate(3.0, 10), 3: Rate(1.2, 25), 4: Rate(0.6, 50)}
"""20, 50 and 100 a minute; Slack says "or more", and tolerates bursts."""
METHODS: Mapping[str, int] = {
    "auth_test": 4,
    "chat_update": 3,
    "conversations_history": 3,
    "conversations_info": 3,
    "conversations_open": 3,
    "conversations_replies": 3,
    "files_completeUploadExternal": 4,
    "files_getUploadURLExternal": 4,
    "files_info": 4,
    "reactions_add": 3,
    "reactions_get": 3,
    "reactions_remove": 2,
    "users_conversations": 3,
    "users_info": 4,
}
"""The tiers of the methods that are used here; what is not named (interactions, streams) is not held back."""


def rate_of(method: str, arguments: Mapping[str, object]) -> tuple[str, Rate] | None:
    """What a request counts against, and its rate; None where nothing holds it back."""
    if method == "chat_postMessage":
        return f"{method} {arguments.get('channel')}", MESSAGE
    tier = METHODS.get(method)
    return None if tier is None else (method, TIERS[tier])


class Pace:
    """The pace of one app in one workspace."""

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._now, self._sleep, self._patience = now, sleep, patience_s
        self._free: dict[str, float] = {}
        """By what is counted: when its whole burst is free again, were nothing more to come."""

    async def turn(self, method: str, arguments: Mapping[str, object]) -> float:
        """Wait until a request may go, count it, and return 0.0; or the seconds until then, where that takes long."""
        limit = rate_of(method, arguments)
        if limit is None:
            return 0.0
        counted, rate = limit
        now = self._now()
        free = max(now, self._free.get(counted, now))
        wait = free - now - rate.every_s * (rate.burst - 1)
        if wait > self._patience:
            return wait
        if len(self._free) >= REMEMBERED:
            self._free = {name: at for name, at in self._free.items() if at > now}
        self._free[counted] = free + rate.every_s
        if wait > 0:
            await self._sleep(wait)
        return 0.0
