"""Ports of the store: pairings, grants (standing verdicts), clients over HTTP, and claims on conversations."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import ClassVar, Literal, Protocol

from msgspec import Struct

from bridge_mcp.core.grants import Grant
from bridge_mcp.core.policy import Principal, Scope
from bridge_mcp.core.secret_fields import HidesFields

__all__ = ["Access", "Claim", "Claims", "Clients", "Grants", "Pairing", "PairingRequest", "StoredClient"]


class Pairing(Struct, frozen=True):
    """A chat or a person that was paired on a channel. `subject` is the platform's id of the chat or user."""

    channel: str
    subject: str
    role: Literal["user", "approver"] = "user"
    name: str = ""
    by: str = ""
    at: float = 0.0


class PairingRequest(Struct, frozen=True):
    """A stranger who wrote, and the one-time code by which the owner pairs them."""

    code: str
    channel: str
    subject: str
    name: str
    at: float
    expires_at: float


class StoredClient(HidesFields, frozen=True):
    """A client over HTTP, authenticated by a token that was shown once. Without limits it may go everywhere."""

    HIDDEN: ClassVar = frozenset({"token_hash"})

    name: str
    token_hash: str
    scopes: frozenset[Scope]
    channels: frozenset[str] = frozenset()
    conversations: frozenset[str] = frozenset()
    by: str = ""
    created_at: float = 0.0

    @property
    def principal(self) -> Principal:
        """The principal as which it acts."""
        return Principal(
            self.name, "client", self.scopes, channels=self.channels, conversations=self.conversations, via="mcp"
        )


class Access(Protocol):
    """The pairings, and the open requests for one."""

    async def pairings(self, channel: str = "") -> tuple[Pairing, ...]:
        """Return all pairings, or those of one channel."""
        ...

    async def find(self, channel: str, *subjects: str) -> tuple[Pairing, ...]:
        """Return the pairings of these subjects. The cost does not grow with the number of pairings."""
        ...

    async def pair(self, pairing: Pairing) -> None:
        """Pair a subject, or change its role. Its open requests are closed."""
        ...

    async def unpair(self, channel: str, subject: str) -> bool:
        """Remove a pairing; return whether there was one."""
        ...

    async def request(self, request: PairingRequest, at_most: int, stands_s: float = math.inf) -> PairingRequest | None:
        """Open a request, or return the open request of the subject.

        Where `at_most` others are open on the channel, the oldest makes room if it is older than `stands_s`; None,
        and nothing done, if it is not.
        """
        ...

    async def requests(self, now: float) -> tuple[PairingRequest, ...]:
        """Return the open requests, oldest first."""
        ...


class Grants(Protocol):
    """Grants: standing verdicts. Each is committed before anything acts on it."""

    async def add(self, grant: Grant) -> Grant:
        """Store a grant, and return it with its id. Grants that ended before it was made are deleted.

        One that is there already, given by the same person with the same patterns, is renewed and keeps its id: it then
        holds for as long as either would. Where there are `MAX_ALIKE` of its tool and place, the oldest is revoked.
        """
        ...

    async def active(self, now: float) -> tuple[Grant, ...]:
        """Return all grants in force at `now`, in order of their ids."""
        ...

    async def concerning(self, tools: Collection[str], conversation: str, now: float) -> tuple[Grant, ...]:
        """Return the grants that may cover a call of these tools in this conversation at `now`.

        Costs what those cost, of which there are few (`MAX_ALIKE`), and nothing for all others.
        """
        ...

    async def prune(self, now: float) -> int:
        """Delete the grants that have ended; return how many."""
        ...

    async def revoke(self, grant: int) -> bool:
        """Revoke a grant; return whether there was one."""
        ...


class Claim(Struct, frozen=True):
    """A conversation that one client has claimed for itself; `until` is in epoch seconds."""

    conversation: str
    client: str
    until: float


class Claims(Protocol):
    """The claims of clients on conversations. Each change is in the feed, by the same transaction."""

    async def holding(self, conversation: str, now: float) -> Claim | None:
        """Return the claim in force at `now`, or None. It takes microseconds: it is asked before each message."""
        ...

    async def claim(self, claim: Claim, now: float, *, at_most: int) -> Claim | None:
        """Claim a conversation, and return the claim in force: another client's claim stays as it is.

        Whoever holds it already holds it for the new time. None, and nothing done, where the client holds `at_most`
        conversations.
        """
        ...

    async def release(self, conversation: str, client: str, now: float) -> bool:
        """Release a claim; return whether the client held it."""
        ...


class Clients(Protocol):
    """Clients that were added while the bridge ran. Nothing is cached: every answer is current."""

    async def add(self, client: StoredClient) -> bool:
        """Add a client; return False, and do nothing, if the name is taken."""
        ...

    async def all(self) -> tuple[StoredClient, ...]:
        """Return all clients, oldest first."""
        ...

    async def by_token(self, token_hash: str) -> StoredClient | None:
        """Return the client whose token has this hash, or None. It takes microseconds: it is asked at every request."""
        ...

    async def revoke(self, name: str) -> bool:
        """Revoke a client; return whether there was one. Its event subscriptions and claims end with it."""
        ...
