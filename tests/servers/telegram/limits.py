"""Telegram's limits on sending: so many messages a second in all, in one chat, and a minute in one group.

https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this. The numbers are documented, how they
are counted is not; this counts over sliding windows, and lets a chat have a small burst. Knows nothing of messages.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from math import ceil

from bridge_mcp.ports import Clock

__all__ = ["Limiter", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How many messages may go out."""

    per_second: int = 30
    """In all chats together."""
    chat_per_second: float = 1.0
    chat_burst: int = 3
    """So many may go to one chat at once, after a rest."""
    group_per_minute: int = 20


@dataclass(slots=True)
class Bucket:
    left: float
    at: float


@dataclass(slots=True)
class Limiter:
    """Counts messages by the clock it was given."""

    clock: Clock
    limits: Limits = Limits()
    sent: deque[float] = field(default_factory=deque[float])
    groups: defaultdict[int, deque[float]] = field(default_factory=lambda: defaultdict[int, deque[float]](deque))
    chats: dict[int, Bucket] = field(default_factory=dict[int, Bucket])

    def admit(self, chat: int, is_group: bool, count: int = 1) -> int:
        """Count this many messages and give 0, or count none and give the whole seconds to wait."""
        now, limits = self.clock.now(), self.limits
        bucket = self.chats.setdefault(chat, Bucket(limits.chat_burst, now))
        bucket.left = min(limits.chat_burst, bucket.left + (now - bucket.at) * limits.chat_per_second)
        bucket.at = now
        minute = self.groups[chat]
        waits = [over(self.sent, now, 1.0, limits.per_second, count)]
        # A burst that is larger than the bucket is let through when it is full, and paid for afterwards.
        if bucket.left < min(count, limits.chat_burst):
            waits.append((min(count, limits.chat_burst) - bucket.left) / limits.chat_per_second)
        if is_group:
            waits.append(over(minute, now, 60.0, limits.group_per_minute, count))
        if max(waits) > 0:
            return max(1, ceil(max(waits)))
        bucket.left -= count
        for window in (self.sent, minute) if is_group else (self.sent,):
            window.extend([now] * count)
        return 0


def over(window: deque[float], now: float, span_s: float, limit: int, count: int) -> float:
    """How long until `count` more fit into a sliding window; 0 when they fit now."""
    while window and window[0] <= now - span_s:
        window.popleft()
    surplus = len(window) + count - limit
    if surplus <= 0 or not window:
        return 0.0
    return window[min(surplus, len(window)) - 1] + span_s - now
