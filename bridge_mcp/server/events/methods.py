"""`events/list`, `events/poll`, `events/subscribe` and `events/unsubscribe`: what clients ask for."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from mcp.server.context import CallNext, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel

from bridge_mcp.core.errors import Denied, NotFound
from bridge_mcp.core.events import Event, EventType
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import EventSubscription, SubscriptionLimits
from bridge_mcp.server.events.callbacks import CallbackFailed, Callbacks
from bridge_mcp.server.events.protocol import (
    CALLBACK_FAILED,
    EXTENSION,
    FORBIDDEN,
    NOT_FOUND,
    RENUMBERED,
    RESOURCE_EXHAUSTED,
    UNSUPPORTED,
    AnyParams,
    EventArguments,
    Poll,
    Subscribe,
    Unsubscribe,
    cursor_of,
    host_of,
    listed,
    occurrence,
    read,
    subscription_id,
)
from bridge_mcp.server.protocol.errors import fault_of, map_errors
from bridge_mcp.server.protocol.request_context import declared_extension
from bridge_mcp.server.tools.answers import instant
from bridge_mcp.server.tools.json_text import compact
from bridge_mcp.service import Bridge

__all__ = ["ClientEvents"]

Context: TypeAlias = ServerRequestContext[Any, Any]
Handler: TypeAlias = Callable[[Context, AnyParams], Awaitable[dict[str, Any]]]

NEXT_POLL_MS = 5_000
MAX_EVENTS = 500
MAX_PAGE = 1_000_000
"""Characters of the events of one poll."""

SHORTEST_S, USUAL_S, LONGEST_S = 60.0, 3600.0, 86_400.0
"""How long a subscription holds until its client renews it."""
LONGEST_OAUTH_S = 3600.0
"""How long one holds whose client only its next token tells of."""

MAX_SUBSCRIPTIONS, MAX_AT_HOST = 500, 100
"""How many subscriptions there may be: in all, and at one host."""
VERIFICATIONS, VERIFY_AGAIN_S = 10, 5.0
"""How many callbacks are asked in a minute, of one client or at one host; and how soon the same one again."""


class ClientEvents:
    """The methods of MCP Events over one bridge."""

    def __init__(self, bridge: Bridge, principal_of: Callable[[Context], Principal]) -> None:
        self._bridge = bridge
        self._rules = bridge.rules.events
        self._principal_of = principal_of
        self._callbacks = Callbacks(self._rules.local_hosts)

    def add_to(self, server: Server[Any]) -> None:
        """Serve and declare them."""
        server.extensions[EXTENSION] = {}
        # Hosts read the capability at the top level as well, where the SDK has no field for it.
        server.middleware.append(declare)
        methods: dict[str, Handler] = {"events/list": self.list}
        if self._rules.poll:
            methods["events/poll"] = self.poll
        if self._rules.webhooks:
            methods |= {"events/subscribe": self.subscribe, "events/unsubscribe": self.unsubscribe}
        for name, handler in methods.items():
            server.add_request_handler(name, AnyParams, with_event_errors(name, handler))

    async def list(self, ctx: Context, params: AnyParams) -> dict[str, Any]:
        """All types of events, on one page; none without the scope `read`."""
        readable = "read" in self._principal_of(ctx).scopes
        return {"resultType": "complete", "events": listed(self._rules) if readable else []}

    async def poll(self, ctx: Context, params: AnyParams) -> dict[str, Any]:
        """Events after a cursor; without one, only where the feed stands."""
        request, who = read(Poll, params), self._principal_of(ctx)
        position, truncated = await self._begin(who, request)
        if request.cursor is None:
            return poll_result([], position)
        limit = min(request.max_events, MAX_EVENTS)
        page = await self._bridge.read_feed(
            who,
            position,
            types=(cast("EventType", request.name),),
            channel=request.arguments.channel,
            conversation=request.arguments.conversation,
            limit=limit,
        )
        events = fitting(page.events)
        cut = len(events) < len(page.events)
        cursor = page.cursor
        if events and (cut or who.within):
            cursor = page.events[len(events) - 1].cursor
        elif who.within:  # the feed's own cursor would tell of events elsewhere
            cursor = position
        return poll_result(events, cursor, truncated=truncated, more=cut or len(events) == limit)

    async def subscribe(self, ctx: Context, params: AnyParams) -> dict[str, Any]:
        """Post events to a callback from now on, or from a cursor on; a subscription that is there is renewed."""
        request, who = read(Subscribe, params), self._principal_of(ctx)
        if request.delivery.mode != "webhook":
            unsupported = {"feature": "deliveryMode", "value": request.delivery.mode}
            raise MCPError(UNSUPPORTED, "Only webhooks are posted.", unsupported)
        current = await self._bridge.client_now(who.name, who.scopes)
        if current is None:
            raise MCPError(FORBIDDEN, "Only a client with a token of its own can have events posted to it.")
        host = host_of(request.delivery.url, self._rules.local_hosts)
        position, truncated = await self._begin(who, request)
        subscription = self._subscription(who, request, host, position)
        await self._verify(subscription)
        store, now = self._bridge.store.subscriptions, time.time()
        existing = await store.get(subscription.id)
        if existing is not None and existing.expires_at <= now:
            await store.remove(subscription.id)
            existing = None
        limit = await store.put(subscription, SubscriptionLimits(MAX_SUBSCRIPTIONS, self._rules.of_client, MAX_AT_HOST))
        if limit:
            raise MCPError(RESOURCE_EXHAUSTED, "There are too many subscriptions; end some first.", {"limit": limit})
        current_subscription = existing or subscription
        return {
            "resultType": "complete",
            "id": subscription.id,
            "refreshBefore": instant(subscription.expires_at),
            "cursor": cursor_of(current_subscription.position),
            "truncated": truncated and existing is None,
            **({} if existing is None else {"deliveryStatus": status_of(existing)}),
        }

    async def unsubscribe(self, ctx: Context, params: AnyParams) -> dict[str, Any]:
        """No longer post events to a callback."""
        request, who = read(Unsubscribe, params), self._principal_of(ctx)
        id_ = subscription_id(who.name, request.delivery.url, request.name, request.arguments)
        if not await self._bridge.store.subscriptions.remove(id_):
            raise MCPError(NOT_FOUND, "There is no such subscription.", {"kind": "subscription"})
        return {"resultType": "complete"}

    async def _begin(self, who: Principal, request: Poll | Subscribe) -> tuple[int, bool]:
        """Where in the feed to begin, and whether events before that are left out."""
        arguments: EventArguments = request.arguments
        head = await self._bridge.feed_position(who, channel=arguments.channel, conversation=arguments.conversation)
        if request.cursor is None:
            return head, False
        position = int(request.cursor)
        page = await self._bridge.read_feed(who, position, limit=1)
        truncated = page.gap
        if page.gap:
            position = page.first_available - 1
        if request.max_age_ms is not None:
            floor = await self._bridge.feed_position_at(time.time() - request.max_age_ms / 1000, position)
            truncated = truncated or floor > position
            position = floor
        return position, truncated

    def _subscription(self, who: Principal, request: Subscribe, host: str, position: int) -> EventSubscription:
        suggested = USUAL_S if request.ttl_ms is None else request.ttl_ms / 1000
        longest = LONGEST_OAUTH_S if who.name.startswith("oauth:") else LONGEST_S
        now = time.time()
        return EventSubscription(
            subscription_id(who.name, request.delivery.url, request.name, request.arguments),
            who.name,
            who.scopes,
            event=cast("EventType", request.name),
            channel=request.arguments.channel,
            conversation=request.arguments.conversation,
            url=request.delivery.url,
            host=host,
            secret=request.delivery.secret,
            secret_at=now,
            position=position,
            expires_at=now + min(max(suggested, SHORTEST_S), longest),
        )

    async def _verify(self, subscription: EventSubscription) -> None:
        """Make sure that the callback wants deliveries of this client."""
        store = self._bridge.store.subscriptions
        allowed = await store.ask(
            subscription.client,
            subscription.url,
            subscription.host,
            time.time(),
            at_most=VERIFICATIONS,
            again_s=VERIFY_AGAIN_S,
        )
        if allowed == "later":
            raise MCPError(
                RESOURCE_EXHAUSTED,
                "Too many callbacks were verified; try again in a minute.",
                {"limit": "verifications"},
            )
        if allowed == "verified":
            return
        try:
            await self._callbacks.verify(subscription.url, subscription.id, subscription.secret)
        except CallbackFailed as exc:
            # An endpoint that answers, and not as it should, is told of as one.
            reason = "challenge_failed" if 300 <= exc.status < 400 else exc.reason
            raise MCPError(CALLBACK_FAILED, "The callback could not be verified.", {"reason": reason}) from None
        await store.verified(subscription.client, subscription.url)


def fitting(events: Sequence[Event]) -> list[dict[str, JSON]]:
    """As many events as fit into one answer, and at least one."""
    page: list[dict[str, JSON]] = []
    size = 0
    for event in events:
        shown = occurrence(event)
        size += len(compact(shown))
        if page and size > MAX_PAGE:
            break
        page.append(shown)
    return page


def poll_result(
    events: list[dict[str, JSON]], position: int, *, truncated: bool = False, more: bool = False
) -> dict[str, Any]:
    """The answer of `events/poll`."""
    return {
        "resultType": "complete",
        "events": events,
        "cursor": cursor_of(position),
        "truncated": truncated,
        "hasMore": more,
        "nextPollMs": NEXT_POLL_MS,
    }


async def declare(ctx: Context, call_next: CallNext) -> Any:
    """A middleware that puts `events` among the capabilities."""
    result: Any = await call_next(ctx)
    if ctx.method not in ("initialize", "server/discover"):
        return result
    if isinstance(result, BaseModel):
        result = result.model_dump(by_alias=True, mode="json", exclude_none=True)
    capabilities: Mapping[str, Any] = result["capabilities"]
    return {**result, "capabilities": {**capabilities, "events": {}}}


def status_of(subscription: EventSubscription) -> dict[str, Any]:
    """`deliveryStatus`: how deliveries went before the subscription was renewed."""
    return {
        "active": not subscription.suspended,
        "lastDeliveryAt": instant(subscription.delivered_at) if subscription.delivered_at else None,
        "lastError": subscription.last_error or None,
        **({"failedSince": instant(subscription.failed_since)} if subscription.failed_since else {}),
    }


def with_event_errors(where: str, handler: Handler) -> Handler:
    """Wrap a handler: its errors become those of the extension, with the numbers that the client knows."""

    async def permitted(ctx: Context, params: AnyParams) -> dict[str, Any]:
        try:
            return await handler(ctx, params)
        except (Denied, NotFound) as exc:
            fault = fault_of(exc, where)
            raise MCPError(FORBIDDEN, fault.text, fault.body()) from None

    mapped = map_errors(where, permitted)

    async def handle(ctx: Context, params: AnyParams) -> dict[str, Any]:
        try:
            return await mapped(ctx, params)
        except MCPError as exc:
            raise MCPError(error_number(ctx, exc.error.code), exc.error.message, exc.error.data) from None

    return handle


def error_number(ctx: Context, code: int) -> int:
    """The number of an error for this client."""
    return RENUMBERED.get(code, code) if declared_extension(ctx, EXTENSION) is not None else code
