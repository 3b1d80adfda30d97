"""Sessions of the console: who is signed in, by a cookie, and the one-time links by which the owner comes in.

A session is the owner (by a link that the command line made) or a client (by its token), with that one's scopes and
limits. It holds no token, only its hash, and it ends with it. Sessions stand in the store, so that any process on it
knows them, and they outlive each. Links live in the memory of the process that made them: it is the one that is opened,
and the sessions that began with one end with it.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import ClassVar

import msgspec
from msgspec import structs

from bridge_mcp.core.policy import Principal
from bridge_mcp.core.secret_fields import HidesFields
from bridge_mcp.ports import FaceSession, FaceSessions

__all__ = ["LINK_S", "Session", "Sessions", "Visitor"]

LINK_S = 60.0
"""How long a one-time link may be used."""
IDLE_S = 3600.0
"""A session ends when no page was asked for in this time."""
LONGEST_S = 12 * 3600.0
"""No session lasts longer, however busy."""
MAX_LINKS = 16
"""How many there are at once; the oldest gives way."""
USED_EVERY_S = 60.0
"""How often its use is written down."""
MAX_OWN_SESSIONS = 32
"""Sessions of one principal; its own oldest gives way, so that no client puts the others out."""


class Visitor(HidesFields, frozen=True):
    """Who signs in. `token_hash` is of the token that was shown, "" for none; `until` is epoch seconds, 0 for never."""

    HIDDEN: ClassVar = frozenset({"token_hash"})

    principal: Principal
    token_hash: str = ""
    until: float = 0.0


class Session(HidesFields, frozen=True):
    """One browser that is signed in."""

    HIDDEN: ClassVar = frozenset({"csrf"})

    visitor: Visitor
    csrf: str
    """Stands in every form: a page of another origin cannot know it."""

    @property
    def who(self) -> Principal:
        """As whom its requests act."""
        return self.visitor.principal


Current = Callable[[Visitor], Awaitable[Visitor | None]]
"""A visitor as its token makes it now; None once the token is not known any more, or has expired."""


class Sessions:
    """All sessions of the consoles on a store, and the links of this one.

    Args:
        current: looks at each request whether a visitor's token still holds.
        rows: where the sessions are.
        now: epoch seconds, as all processes on the store have them.
    """

    def __init__(self, current: Current, rows: FaceSessions, now: Callable[[], float]) -> None:
        self._current = current
        self._rows = rows
        self._now = now
        self._links: OrderedDict[str, tuple[Visitor, float]] = OrderedDict()
        """By the hash of the key: for whom, and until when."""
        self._by_link: set[str] = set()
        """The sessions that began with a link of this process."""

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

    async def open(self, visitor: Visitor) -> str:
        """Begin a session; the value of its cookie."""
        cookie, now = secrets.token_urlsafe(32), self._now()
        await self._rows.end_old("console", idle_since=now - IDLE_S, begun_before=now - LONGEST_S)
        body = msgspec.json.encode(Session(visitor, secrets.token_urlsafe(32))).decode()
        client = visitor.principal.name
        stored = FaceSession(hashed(cookie), "console", client, body, begun=now, used=now)
        await self._rows.put(stored, at_most=MAX_OWN_SESSIONS)
        if not visitor.token_hash:
            self._by_link.add(stored.id)
        return cookie

    async def find(self, cookie: str, *, touch: bool = True) -> Session | None:
        """The session of a cookie, as its token makes it now; None once it has ended. `touch` counts as use."""
        stored = await self._rows.get(hashed(cookie)) if cookie else None
        if stored is None or stored.kind != "console":
            return None
        now = self._now()
        session = msgspec.json.decode(stored.body, type=Session)
        visitor = None
        if now < stored.used + IDLE_S and now < stored.begun + LONGEST_S:
            visitor = await self._current(session.visitor)
        if visitor is None:
            await self._rows.end(stored.id, None, now)
            return None
        if touch and now - stored.used > USED_EVERY_S:
            await self._rows.used(stored.id, now)
        return structs.replace(session, visitor=visitor)

    async def close(self, cookie: str) -> None:
        """End a session. Closing one that has ended is fine."""
        await self._rows.end(hashed(cookie), None, self._now())

    async def close_links(self) -> None:
        """End the sessions that began with a link of this process."""
        for id in self._by_link:
            await self._rows.end(id, None, self._now())
        self._by_link.clear()


def same(left: str, right: str) -> bool:
    """Whether two secrets are equal, told in constant time."""
    return hmac.compare_digest(left.encode("utf-8", "replace"), right.encode())


def hashed(value: str) -> str:
    return sha256(value.encode("utf-8", "replace")).hexdigest()
