"""Rate limits: buckets per route and channel, and the global one.

https://docs.discord.com/developers/topics/rate-limits. The real figures are not documented and change; these are about
what bots meet.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from hashlib import sha256

from tests.servers.discord.world import Object

__all__ = ["Limits", "Verdict"]

DEFAULT = (50, 1.0)
ROUTES = {
    "POST /channels/{channel}/messages": (5, 5.0),
    "PATCH /channels/{channel}/messages/{message}": (5, 5.0),
    "DELETE /channels/{channel}/messages/{message}": (5, 1.0),
    "PUT /channels/{channel}/messages/{message}/reactions/{emoji}/@me": (1, 0.25),
    "DELETE /channels/{channel}/messages/{message}/reactions/{emoji}/@me": (1, 0.25),
    "POST /channels/{channel}/typing": (5, 5.0),
}
"""Requests, and the seconds within which they may come."""


@dataclass(slots=True)
class Bucket:
    left: int
    until: float


@dataclass(slots=True)
class Verdict:
    """What the limits say of one request."""

    headers: dict[str, str]
    refused: Object | None = None


@dataclass(slots=True)
class Limits:
    """All buckets of one bot."""

    routes: dict[str, tuple[int, float]] = field(default_factory=lambda: dict(ROUTES))
    global_: int = 50
    """Requests in a second in all; 0 for no limit."""
    buckets: dict[tuple[str, str], Bucket] = field(default_factory=dict[tuple[str, str], Bucket])
    recent: deque[float] = field(default_factory=deque[float])

    def off(self) -> None:
        """No limits."""
        self.routes, self.global_ = dict.fromkeys(self.routes, (10_000, 1.0)), 0

    def take(self, route: str, major: str, *, global_too: bool) -> Verdict:
        """Count a request."""
        now = time.monotonic()
        if global_too and self.global_:
            while self.recent and self.recent[0] <= now - 1.0:
                self.recent.popleft()
            if len(self.recent) >= self.global_:
                return limited(self.recent[0] + 1.0 - now, {"X-RateLimit-Global": "true"}, "global")
            self.recent.append(now)
        most, span = self.routes.get(route, DEFAULT)
        bucket = self.buckets.get((route, major))
        if bucket is None or bucket.until <= now:
            bucket = self.buckets[route, major] = Bucket(most, now + span)
        after = bucket.until - now
        headers = {
            "X-RateLimit-Limit": str(most),
            "X-RateLimit-Remaining": str(max(0, bucket.left - 1)),
            "X-RateLimit-Reset": f"{time.time() + after:.3f}",
            "X-RateLimit-Reset-After": f"{after:.3f}",
            "X-RateLimit-Bucket": sha256(route.encode()).hexdigest()[:16],
        }
        if bucket.left <= 0:
            return limited(after, headers, "user")
        bucket.left -= 1
        return Verdict(headers)


def limited(after: float, headers: dict[str, str], scope: str) -> Verdict:
    """A 429. `Via` is what tells it from one of the firewall in front."""
    body: Object = {"message": "You are being rate limited.", "retry_after": round(after, 3)}
    told = {"Retry-After": str(max(1, round(after))), "X-RateLimit-Scope": scope, "Via": "1.1 google"}
    return Verdict(headers | told, body | {"global": scope == "global"})
