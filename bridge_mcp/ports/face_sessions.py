"""Port of the store: sessions of MCP clients and of browsers, which any process on the store can serve."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar, Literal, Protocol, TypeAlias

from msgspec import Struct

from bridge_mcp.core.secret_fields import HidesFields

__all__ = ["FaceNote", "FaceSession", "FaceSessionKind", "FaceSessions"]

FaceSessionKind: TypeAlias = Literal["mcp", "console"]
"""Of an MCP client of the handshake era, or of a browser in the web console."""


class FaceSession(HidesFields, frozen=True):
    """One session. Times are epoch seconds."""

    HIDDEN: ClassVar = frozenset({"body"})

    id: str
    """A hash of what its client shows: whoever reads the store cannot use it."""
    kind: FaceSessionKind
    client: str
    """Whose it is, by name."""
    body: str
    """What a process needs to serve it, as JSON."""
    begun: float
    used: float


class FaceNote(Struct, frozen=True):
    """What the process `by` tells the others about a session: a message of its client, or "" to look at it again."""

    session: str
    by: str
    body: str = ""
    number: int = 0
    """Which note this is. Numbers need not come in the order of commits."""


class FaceSessions(Protocol):
    """Sessions, the resources that they subscribe to, and notes between the processes that serve them."""

    async def get(self, id: str) -> FaceSession | None:
        """None where there is none, or no longer."""
        ...

    async def put(self, session: FaceSession, *, at_most: int) -> None:
        """Keep it. Of more than `at_most` of its kind and client those end that were used least recently."""

    async def used(self, id: str, at: float) -> None:
        """It is used at this time, or was used later."""

    async def end(self, id: str, note: FaceNote | None, at: float) -> bool:
        """End it, and tell the others; returns whether there was one."""
        ...

    async def end_old(self, kind: FaceSessionKind, *, idle_since: float, begun_before: float) -> None:
        """End those that were not used since, and those that began before."""

    async def subscriptions(self, id: str) -> frozenset[str]:
        """The URIs of the resources that a session subscribes to."""
        ...

    async def subscribe(self, note: FaceNote, uri: str, at: float, *, at_most: int) -> bool:
        """Add one to the session of the note, and tell the others; False if it has `at_most` already."""
        ...

    async def unsubscribe(self, note: FaceNote, uri: str, at: float) -> None:
        """Take one away, and tell the others."""

    async def tell(self, note: FaceNote, at: float) -> None:
        """Write a note. Those of more than a minute ago are forgotten."""

    async def notes(self, since: float, *, by: str = "", seen: Collection[int] = ()) -> tuple[FaceNote, ...]:
        """The notes that were written at this time or later: not those of the process `by`, nor those seen."""
        ...
