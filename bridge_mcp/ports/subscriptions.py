"""Port of the store: subscriptions of clients whose events are posted to them, and the callbacks that agreed to it."""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol, TypeAlias

from msgspec import Struct

from bridge_mcp.core.events import EventType
from bridge_mcp.core.policy import Scope
from bridge_mcp.core.secret_fields import HidesFields

__all__ = ["SUSPENDED_AFTER", "EventSubscription", "EventSubscriptions", "SubscriptionLimit", "SubscriptionLimits"]

SUSPENDED_AFTER = 20
"""Failures in a row after which nothing is posted until the client renews its subscription: about two hours."""

SubscriptionLimit: TypeAlias = Literal["", "subscriptions", "subscriptions_of_client", "subscriptions_at_host"]
"""The limit that was reached; "" for none."""


class EventSubscription(HidesFields, frozen=True):
    """One type of events, posted to one callback. Times are epoch seconds, 0 for never."""

    HIDDEN: ClassVar = frozenset({"url", "secret", "old_secret"})

    id: str
    client: str
    """Who subscribed, by name."""
    scopes: frozenset[Scope]
    """Its scopes when it subscribed last."""
    event: EventType
    channel: str
    """The only channel it is about; "" for all."""
    conversation: str
    """The only conversation it is about; "" for all."""
    url: str
    host: str
    """Of the url, without its port."""
    secret: str
    old_secret: str = ""
    secret_at: float = 0.0
    """When the secret was set; the old one signs beside it for a while."""
    position: int = 0
    """The cursor up to which everything is delivered, or given up."""
    expires_at: float = 0.0
    failures: int = 0
    """Failed deliveries in a row."""
    due_at: float = 0.0
    """When the next attempt may begin."""
    last_error: str = ""
    failed_since: float = 0.0
    delivered_at: float = 0.0
    instance: str = ""
    """Not empty: an instance of the Agent Approval Protocol, which is told of verdicts on its own requests."""

    @property
    def suspended(self) -> bool:
        """Whether it failed so often that nothing is posted until its client renews it."""
        return self.failures >= SUSPENDED_AFTER and not self.instance  # an instance is never renewed


class SubscriptionLimits(Struct, frozen=True):
    """How many subscriptions there may be: in all, of one client, at one host."""

    total: int
    of_client: int
    at_host: int


class EventSubscriptions(Protocol):
    """Subscriptions, which outlive every process. A client that is revoked takes its own along (`Clients.revoke`)."""

    async def get(self, subscription: str) -> EventSubscription | None:
        """None if it is not there. Costs microseconds: it is asked before each delivery."""
        ...

    async def ids(self) -> frozenset[str]:
        """The ids of all."""
        ...

    async def failing(self, client: str, limit: int) -> tuple[tuple[EventSubscription, ...], int]:
        """Those whose last attempt failed, the longest failing first, and how many there are.

        `client`: only its own; "" for all. A renewed one counts no failures, and fails until its next delivery.
        """
        ...

    async def put(self, subscription: EventSubscription, limits: SubscriptionLimits) -> SubscriptionLimit:
        """Add it, unless a limit is reached; one of the same id is renewed.

        That one keeps its position, takes the secret (and keeps the old one beside it), scopes and expiry, and is
        due at once.
        """
        ...

    async def remove(self, subscription: str) -> bool:
        """Whether it was there."""
        ...

    async def remove_expired(self, now: float) -> None:
        """Remove what has expired, and forget callbacks that nobody subscribes with."""
        ...

    async def delivered(self, subscription: str, position: int, at: float) -> None:
        """Everything up to this cursor is delivered; the failures are over."""
        ...

    async def passed(self, subscription: str, position: int) -> None:
        """Nothing up to this cursor is to be delivered any more."""
        ...

    async def failed(self, subscription: str, error: str, due_at: float, at: float) -> None:
        """An attempt failed; the next one begins at `due_at`."""
        ...

    async def ask(
        self, client: str, url: str, host: str, now: float, *, at_most: int, again_s: float
    ) -> Literal["verified", "ask", "later"]:
        """Whether this callback agreed, or is to be asked now: that is noted, in the same transaction.

        `later`: it was asked less than `again_s` seconds ago, or that many of this client or at this host were in the
        last minute.
        """
        ...

    async def verified(self, client: str, url: str) -> None:
        """The callback agreed to get events of this client."""
        ...
