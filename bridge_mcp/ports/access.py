"""Ports of the store, third part: who was let in, and standing verdicts."""

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
    """A chat or a person that was let in on a channel. `subject` is the platform's chat or user id."""

    channel: str
    subject: str
    role: Literal["user", "approver"] = "user"
    name: str = ""
    by: str = ""
    at: float = 0.0


class PairingRequest(Struct, frozen=True):
    """Somebody unknown who wrote, and the one-time code by which the owner lets them in."""

    code: str
    channel: str
    subject: str
    name: str
    at: float
    expires_at: float


class StoredClient(HidesFields, frozen=True):
    """A client that may come over HTTP, by a token that was shown once. No limits mean everywhere."""

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
        """As whom it acts."""
        return Principal(
            self.name, "client", self.scopes, channels=self.channels, conversations=self.conversations, via="mcp"
        )


class Access(Protocol):
    """Who was let in, and which standing verdicts were given."""

    async def pairings(self, channel: str = "") -> tuple[Pairing, ...]:
        """All pairings, or those of one channel."""
        ...

    async def find(self, channel: str, *subjects: str) -> tuple[Pairing, ...]:
        """Those of the subjects that were let in. The cost does not grow with the number of pairings."""
        ...

    async def pair(self, pairing: Pairing) -> None:
        """Let in, or change the role. Its open requests are closed."""
        ...

    async def unpair(self, channel: str, subject: str) -> bool:
        """Whether it had been paired."""
        ...

    async def request(self, request: PairingRequest, at_most: int, stands_s: float = math.inf) -> PairingRequest | None:
        """Open a request: the subject's own if it has an open one.

        Where `at_most` others are open on the channel, the oldest makes room if it is older than `stands_s`; None,
        and nothing done, if it is not.
        """
        ...

    async def requests(self, now: float) -> tuple[PairingRequest, ...]:
        """The open ones, oldest first."""
        ...


class Grants(Protocol):
    """Standing verdicts. Committed before anything acts on them."""

    async def add(self, grant: Grant) -> Grant:
        """Store it; the same with its id. What has ended when it was made is deleted.

        One that is there already, given by the same person with the same patterns, is renewed and keeps its id: it then
        holds for as long as either would. Where there are `MAX_ALIKE` of its tool and place, the oldest is revoked.
        """
        ...

    async def active(self, now: float) -> tuple[Grant, ...]:
        """All that hold at `now`, in order of their ids."""
        ...

    async def concerning(self, tools: Collection[str], conversation: str, now: float) -> tuple[Grant, ...]:
        """Those that may cover a call of these tools in this conversation at `now`.

        Costs what those cost, of which there are few (`MAX_ALIKE`), and nothing for all others.
        """
        ...

    async def prune(self, now: float) -> int:
        """Delete those that have ended; how many went."""
        ...

    async def revoke(self, grant: int) -> bool:
        """Whether it was there."""
        ...


class Claim(Struct, frozen=True):
    """A conversation that one client has for itself until then (epoch seconds)."""

    conversation: str
    client: str
    until: float


class Claims(Protocol):
    """Which client has which conversation for itself. The feed tells of each in the same transaction."""

    async def holding(self, conversation: str, now: float) -> Claim | None:
        """The claim that holds at `now`; None for none. Costs microseconds: it is asked before each message."""
        ...

    async def claim(self, claim: Claim, now: float, *, at_most: int) -> Claim | None:
        """The claim that holds from now on: this one, unless another client's holds, and nothing is done.

        Whoever holds it already holds it for the new time. None, and nothing done, where the client holds `at_most`
        conversations.
        """
        ...

    async def release(self, conversation: str, client: str, now: float) -> bool:
        """Whether the client held it until now."""
        ...


class Clients(Protocol):
    """Clients that were let in while the bridge ran, always as it is now: nothing is kept in between."""

    async def add(self, client: StoredClient) -> bool:
        """False, and nothing done, where the name is taken."""
        ...

    async def all(self) -> tuple[StoredClient, ...]:
        """The oldest first."""
        ...

    async def by_token(self, token_hash: str) -> StoredClient | None:
        """Whose token this is the hash of. Costs microseconds: it is asked at every request."""
        ...

    async def revoke(self, name: str) -> bool:
        """Whether it was there. Its subscriptions to events and its claims end in the same transaction."""
        ...
