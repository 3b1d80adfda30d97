"""Subscriptions to events, and the callbacks they are posted to (`EventSubscriptions`)."""

from __future__ import annotations

import json
from typing import Literal

from bridge_mcp.ports import EventSubscription, SubscriptionLimit, SubscriptionLimits
from bridge_mcp.stores.sql.face import Face
from bridge_mcp.stores.sql.rows import dump
from bridge_mcp.stores.sql.session import Row, Session

__all__ = ["SqlEventSubscriptions"]

MINUTE_S = 60.0
KEPT_S = 86_400.0
"""How long a callback is remembered that nobody subscribes with."""


class SqlEventSubscriptions(Face):
    """See `ports.EventSubscriptions`."""

    async def get(self, subscription: str) -> EventSubscription | None:
        """None for an unknown id."""
        row = await self._reads.row("subscription", id=subscription)
        return None if row is None else of_row(row)

    async def ids(self) -> frozenset[str]:
        """The ids of all."""
        return frozenset(row[0] for row in await self._reads.rows("subscription_ids"))

    async def failing(self, client: str, limit: int) -> tuple[tuple[EventSubscription, ...], int]:
        """See `ports.EventSubscriptions`."""
        rows = await self._reads.rows("failing_subscriptions", client=client, limit=limit)
        return tuple(of_row(row) for row in rows), await self._reads.value("count_failing", client=client) or 0

    async def put(self, subscription: EventSubscription, limits: SubscriptionLimits) -> SubscriptionLimit:
        """See `ports.EventSubscriptions`; counts and writes in one transaction."""

        def operation(session: Session) -> SubscriptionLimit:
            session.alone("subscriptions")
            counted = session.row(
                "count_subscriptions", client=subscription.client, host=subscription.host, but=subscription.id
            )
            total, of_client, at_host = counted or (0, 0, 0)
            if total >= limits.total:
                return "subscriptions"
            if of_client >= limits.of_client:
                return "subscriptions_of_client"
            if at_host >= limits.at_host:
                return "subscriptions_at_host"
            session.put(
                "put_subscription",
                id=subscription.id,
                client=subscription.client,
                scopes=dump(sorted(subscription.scopes)),
                event=subscription.event,
                arguments=dump(about(subscription)),
                url=subscription.url,
                host=subscription.host,
                secret=subscription.secret,
                old_secret=subscription.old_secret,
                secret_at=subscription.secret_at,
                position=subscription.position,
                expires_at=subscription.expires_at,
            )
            return ""

        return await self._writer.execute(operation, None)

    async def remove(self, subscription: str) -> bool:
        """False if it was not there."""
        return await self._run("delete_subscription", id=subscription) > 0

    async def remove_expired(self, now: float) -> None:
        """See `ports.EventSubscriptions`."""

        def operation(session: Session) -> None:
            session.put("delete_expired_subscriptions", now=now)
            session.put("delete_old_callbacks", before=now - KEPT_S)

        await self._writer.execute(operation, None)

    async def delivered(self, subscription: str, position: int, at: float) -> None:
        """See `ports.EventSubscriptions`."""
        await self._put("subscription_delivered", id=subscription, position=position, at=at)

    async def passed(self, subscription: str, position: int) -> None:
        """See `ports.EventSubscriptions`."""
        await self._put("subscription_passed", id=subscription, position=position)

    async def failed(self, subscription: str, error: str, due_at: float, at: float) -> None:
        """See `ports.EventSubscriptions`."""
        await self._put("subscription_failed", id=subscription, error=error, due_at=due_at, at=at)

    async def ask(
        self, client: str, url: str, host: str, now: float, *, at_most: int, again_s: float
    ) -> Literal["verified", "ask", "later"]:
        """See `ports.EventSubscriptions`."""

        def operation(session: Session) -> Literal["verified", "ask", "later"]:
            session.alone("callbacks")
            if session.value("callback_is_verified", client=client, url=url):
                return "verified"
            asked: float | None = session.value("callback_asked_at", client=client, url=url)
            if asked is not None and now - again_s < asked <= now:
                return "later"
            counted = session.row("count_asked_callbacks", client=client, host=host, since=now - MINUTE_S)
            if counted is not None and max(counted) >= at_most:
                return "later"
            session.put("ask_callback", client=client, url=url, host=host, at=now)
            return "ask"

        return await self._writer.execute(operation, None)

    async def verified(self, client: str, url: str) -> None:
        """See `ports.EventSubscriptions`."""
        await self._put("verify_callback", client=client, url=url)


def about(subscription: EventSubscription) -> dict[str, str]:
    """What it is limited to, and for whom it is where that is no client of MCP Events."""
    limits = {"channel": subscription.channel, "conversation": subscription.conversation}
    return limits | ({"instance": subscription.instance} if subscription.instance else {})


def of_row(row: Row) -> EventSubscription:
    """From the columns of the statement `subscription`."""
    identity, client, scopes, event, arguments, *others = row
    limits = json.loads(arguments)
    url, host, secret, old_secret, secret_at, position, expires_at, failures, due_at, error, since, at = others
    return EventSubscription(
        identity,
        client,
        frozenset(json.loads(scopes)),
        event=event,
        channel=limits["channel"],
        conversation=limits["conversation"],
        url=url,
        host=host,
        secret=secret,
        old_secret=old_secret,
        secret_at=secret_at,
        position=position,
        expires_at=expires_at,
        failures=failures,
        due_at=due_at,
        last_error=error,
        failed_since=since,
        delivered_at=at,
        instance=limits.get("instance", ""),
    )
