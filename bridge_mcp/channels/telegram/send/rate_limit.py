"""Telegram's rate limits: some thirty messages a second in all, one a second in a chat, twenty a minute in a group.

https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this. A message that may go soon waits here;
one that may not for a while is sent back with the time, so that nobody stands in line behind it. aiolimiter (and with
it python-telegram-bot's own limiter) does neither: it waits as long as it takes, tells nobody for how long, holds up
every chat after one 429, and goes by the event loop's time. Knows nothing of messages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from msgspec import Struct

from bridge_mcp.ports import Clock

__all__ = ["Pacer", "Rates"]

PATIENCE_S = 1.5
"""How long a message waits here: what the last of the engine's senders waits when all chats have something to say."""
SWEEP_AT = 512


class Rates(Struct, frozen=True):
    """The limits; a little slower than allowed: messages do not arrive as evenly as they leave."""

    in_all: int = 30
    in_all_s: float = 1.1
    """Seconds within which so many may go out in all."""
    chat_s: float = 1.05
    """Seconds between two messages in one chat."""
    chat_burst: int = 3
    """So many may go to one chat at once, after a rest."""
    group: int = 20
    group_s: float = 61.0
    """Seconds within which so many may go out in one group."""


RATES = Rates()


@dataclass(slots=True)
class ChatQuota:
    """What went to one chat."""

    left: float
    """Of the burst, at `at`."""
    at: float
    minute: deque[float] = field(default_factory=deque[float])
    """When messages went out to a group, as long as they count."""
    shut_at: float = 0.0
    shut_s: float = 0.0
    """Seconds that Telegram asked to pause (429), counted from `shut_at`."""


class Pacer:
    """The rate limiter of one bot: says when a message may go out.

    Args:
        clock: tells the time.
        rates: the limits.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        rates: Rates = RATES,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._clock, self._rates, self._sleep = clock, rates, sleep
        self._quotas: dict[int, ChatQuota] = {}
        self._all: deque[float] = deque()
        self._sweep_at = SWEEP_AT

    async def turn(self, chat: int, count: int = 1) -> float:
        """Wait until `count` messages may go to a chat, count them, and return 0.0.

        If that takes longer than `PATIENCE_S`, count nothing and return the seconds until then.
        """
        began = self._clock.now()
        quota = self._quota(chat, began)
        slot = max(began, self._chat_ready(quota, began, count), self._group_ready(chat, quota, began, count))
        if slot - began > PATIENCE_S:
            return slot - began
        before = (quota.left, quota.at, len(quota.minute))
        self._count(chat, quota, slot, count)
        if slot > began:
            await self._sleep(slot - began)
        now = self._clock.now()
        start = self._all_ready(now, count)
        if start - began > PATIENCE_S:
            self._uncount(quota, before, count)
            return start - now
        self._all.extend([start] * count)
        if start > now:
            await self._sleep(start - now)
        return 0.0

    def spare(self) -> bool:
        """Whether there is room for a request that may be dropped (typing, drafts); it is counted if there is.

        Half of the overall limit is kept for messages.
        """
        now = self._clock.now()
        if self._all_ready(now, self._rates.in_all // 2) > now:
            return False
        self._all.append(now)
        return True

    def shut(self, chat: int, seconds: float) -> None:
        """Telegram answered 429: nothing goes to this chat for so many seconds."""
        now = self._clock.now()
        quota = self._quota(chat, now)
        quota.shut_at, quota.shut_s = now, seconds

    @property
    def chats(self) -> int:
        """How many chats are remembered."""
        return len(self._quotas)

    def _quota(self, chat: int, now: float) -> ChatQuota:
        quota = self._quotas.get(chat)
        if quota is None:
            if len(self._quotas) >= self._sweep_at:
                self._sweep(now)
            quota = self._quotas[chat] = ChatQuota(self._rates.chat_burst, now)
        return quota

    def _sweep(self, now: float) -> None:
        """Forget idle chats. No more remain than there may be messages in a minute."""
        self._quotas = {chat: quota for chat, quota in self._quotas.items() if not self._rested(quota, now)}
        self._sweep_at = max(SWEEP_AT, 2 * len(self._quotas))

    def _rested(self, quota: ChatQuota, now: float) -> bool:
        full = self._left(quota, now) >= self._rates.chat_burst
        quiet = not quota.minute or quota.minute[-1] <= now - self._rates.group_s
        return full and quiet and quota.shut_at + quota.shut_s <= now

    def _left(self, quota: ChatQuota, now: float) -> float:
        if quota.at > now + PATIENCE_S + 1:
            # The clock was set back.
            quota.at = now
        return min(self._rates.chat_burst, quota.left + (now - quota.at) / self._rates.chat_s)

    def _chat_ready(self, quota: ChatQuota, now: float, count: int) -> float:
        quota.shut_at = min(quota.shut_at, now)
        # More messages than a burst wait for a full burst, and the rest is paid for afterwards.
        missing = min(count, self._rates.chat_burst) - self._left(quota, now)
        return max(now + missing * self._rates.chat_s if missing > 0 else now, quota.shut_at + quota.shut_s)

    def _group_ready(self, chat: int, quota: ChatQuota, now: float, count: int) -> float:
        return self._window_ready(quota.minute, now, self._rates.group_s, self._rates.group, count) if chat < 0 else now

    def _all_ready(self, now: float, count: int) -> float:
        return self._window_ready(self._all, now, self._rates.in_all_s, self._rates.in_all, count)

    def _window_ready(self, window: deque[float], now: float, span_s: float, most: int, count: int) -> float:
        """When `count` more fit into a sliding window, whose times are in order and may lie in the future."""
        if window and window[-1] > now + span_s + PATIENCE_S:
            window.clear()
        while window and window[0] <= now - span_s:
            window.popleft()
        surplus = len(window) + min(count, most) - most
        ready = now if surplus <= 0 else window[surplus - 1] + span_s
        return max(ready, window[-1] if window else now)

    def _count(self, chat: int, quota: ChatQuota, at: float, count: int) -> None:
        quota.left, quota.at = self._left(quota, at) - count, at
        if chat < 0:
            quota.minute.extend([at] * count)

    def _uncount(self, quota: ChatQuota, before: tuple[float, float, int], count: int) -> None:
        """Take back one count; others may have been counted since."""
        quota.left += count
        for _ in range(min(count, len(quota.minute)) if len(quota.minute) > before[2] else 0):
            quota.minute.pop()
