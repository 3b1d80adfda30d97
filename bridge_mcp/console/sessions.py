"""Sessions of the console: who is signed in, by a cookie, and the one-time links by which the owner comes in.

A session is the owner (by a link that the command line made) or a client (by its token), with that one's scopes and
limits. It holds no token, only its hash, and it ends with it. Sessions live in this process's memory: they end with it.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import ClassVar

from bridge_mcp.core.policy import Principal
from bridge_mcp.core.secret_fields import HidesFields
from bridge_mcp.service import elapsed

__all__ = ["LINK_S", "Session", "Sessions", "Visitor"]

LINK_S = 60.0
"""How long a one-time link may be used."""
IDLE_S = 3600.0
"""A session ends when no page was asked for in this time."""
LONGEST_S = 12 * 3600.0
"""No session lasts longer, however busy."""
MAX_SESSIONS, MAX_LINKS = 256, 16
"""How many there are at once; the oldest gives way."""
MAX_OWN_SESSIONS = 32
"""Sessions of one principal; its own oldest gives way, so that no client puts the others out."""


class Visitor(HidesFields, frozen=True):
    """Who signs in. `token_hash` is of the token that was shown, "" for none; `until` is epoch seconds, 0 for never."""

    HIDDEN: ClassVar = frozenset({"token_hash"})

    principal: Principal
    token_hash: str = ""
    until: float = 0.0


@dataclass(eq=False, slots=True)
class Session:
    """One browser that is signed in."""

    visitor: Visitor
    csrf: str = field(repr=False)
    """Stands in every form: a page of another origin cannot know it."""
    begun: float = 0.0
    used: float = 0.0
    """When it began and was used last, by `elapsed`."""

    @property
    def who(self) -> Principal:
        """As whom its requests act."""
        return self.visitor.principal


Current = Callable[[Visitor], Awaitable[Visitor | None]]
"""A visitor as its token makes it now; None once the token is not known any more, or has expired."""


class Sessions:
    """All sessions and links of one console.

    Args:
        current: looks at each request whether a visitor's token still holds.
        now: seconds that passed, those in which the machine slept included.
    """

    def __init__(self, current: Current, now: Callable[[], float] = elapsed) -> None:
        self._current = current
        self._now = now
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        """By the hash of the cookie's value, the least recently used first."""
        self._links: OrderedDict[str, tuple[Visitor, float]] = OrderedDict()
        """By the hash of the key: for whom, and until when."""

    def link(self, visitor: Visitor) -> str:
        """The key of a one-time link. It is stored as a hash, and works once, within `LINK_S`."""
        key = secrets.token_urlsafe(32)
        self._links[hashed(key)] = (visitor, self._now() + LINK_S)
        while len(self._links) > MAX_LINKS:
            self._links.popitem(last=False)
        return key

    def redeem(self, key: str) -> Visitor | None:
        """For whom a link is; None where it was used, is too old, or never was."""
        visitor, until = self._links.pop(hashed(key), (None, 0.0))
        return visitor if self._now() < until else None

    def open(self, visitor: Visitor) -> str:
        """Begin a session; the value of its cookie."""
        value = secrets.token_urlsafe(32)
        now = self._now()
        own = [key for key, session in self._sessions.items() if session.who.name == visitor.principal.name]
        for key in own[: max(0, len(own) - MAX_OWN_SESSIONS + 1)]:
            del self._sessions[key]
        self._sessions[hashed(value)] = Session(visitor, secrets.token_urlsafe(32), begun=now, used=now)
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return value

    async def find(self, value: str, *, touch: bool = True) -> Session | None:
        """The session of a cookie, as its token makes it now; None once it has ended. `touch` counts as use."""
        key = hashed(value)
        session = self._sessions.get(key)
        if session is None:
            return None
        now = self._now()
        visitor = None
        if now < session.used + IDLE_S and now < session.begun + LONGEST_S:
            visitor = await self._current(session.visitor)
        if visitor is None:
            self._sessions.pop(key, None)
            return None
        session.visitor = visitor
        if touch and key in self._sessions:
            session.used = now
            self._sessions.move_to_end(key)
        return session

    def close(self, value: str) -> None:
        """End a session. Closing one that has ended is fine."""
        self._sessions.pop(hashed(value), None)


def same(given: str, wanted: str) -> bool:
    """Whether two secrets are equal, told in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def hashed(value: str) -> str:
    return sha256(value.encode("utf-8", "replace")).hexdigest()
