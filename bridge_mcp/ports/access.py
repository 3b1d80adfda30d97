"""Ports of the store, third part: who was let in, standing verdicts, and the board."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from bridge_mcp.core.grants import Grant
from bridge_mcp.core.tools import JSON

__all__ = ["Access", "Board", "Grants", "Pairing", "PairingRequest"]


@dataclass(frozen=True, slots=True)
class Pairing:
    """A chat or a person that was let in on a channel. `subject` is the platform's chat or user id."""

    channel: str
    subject: str
    role: Literal["user", "approver"] = "user"
    name: str = ""
    by: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class PairingRequest:
    """Somebody unknown who wrote, and the one-time code by which the owner lets them in."""

    code: str
    channel: str
    subject: str
    name: str
    at: float
    expires_at: float


class Access(Protocol):
    """Who was let in, and which standing verdicts were given."""

    async def pairings(self, channel: str = "") -> tuple[Pairing, ...]: ...

    async def find(self, channel: str, *subjects: str) -> tuple[Pairing, ...]:
        """Those of the subjects that were let in. The cost does not grow with the number of pairings."""
        ...

    async def pair(self, pairing: Pairing) -> None:
        """Let in, or change the role. Its open requests are closed."""
        ...

    async def unpair(self, channel: str, subject: str) -> bool:
        """Whether it had been paired."""
        ...

    async def request(self, request: PairingRequest, at_most: int) -> PairingRequest | None:
        """Open a request: the subject's own if it has an open one, None if `at_most` others are open on the channel."""
        ...

    async def requests(self, now: float) -> tuple[PairingRequest, ...]:
        """The open ones, oldest first."""
        ...


class Grants(Protocol):
    """Standing verdicts. Committed before anything acts on them."""

    async def add(self, grant: Grant) -> Grant:
        """Store it; the same with its id."""
        ...

    async def active(self, now: float) -> tuple[Grant, ...]: ...

    async def revoke(self, grant: int) -> bool:
        """Whether it was there."""
        ...


class Board(Protocol):
    """Small facts the engine puts up for all processes to read: who is engine, which servers and channels are well."""

    async def put(self, name: str, body: JSON) -> None: ...

    async def get(self, name: str) -> JSON:
        """None when nobody put it up."""
        ...
