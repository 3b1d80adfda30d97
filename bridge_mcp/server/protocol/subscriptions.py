"""Subscriptions: notifies clients that a resource changed, in both eras of the protocol.

A task follows the store's feed while there are subscribers, and only then. A notification says that something changed,
not what: a client that missed one reads the resource, or the feed by its cursor. The health of channels and servers,
which is not in the feed, is polled every two seconds. Clients with the same limits share an audience, which is notified
only of changes within them: even the fact of a change elsewhere is not disclosed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, closing
from typing import Any

import anyio
import mcp_types as types
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated, ServerEvent

from bridge_mcp.core.errors import NotFound
from bridge_mcp.core.events import Event
from bridge_mcp.core.policy import Principal
from bridge_mcp.server.protocol.request_context import connection_of
from bridge_mcp.server.protocol.resources import APPROVALS, CHANNELS, STATUS, conversation_of, uris_of
from bridge_mcp.service import Bridge

__all__ = ["Push"]

logger = logging.getLogger(__name__)

LOOK_S = 2.0
"""How often the health of channels and servers is polled."""

SEND_S = 1.0
"""The time-out of one notification; a client that does not read by then is dropped."""

PAGE = 500


class Subscribers:
    """The subscribers with the same limits: an audience."""

    def __init__(self, who: Principal) -> None:
        self.viewer = Principal(
            "push", "bridge", frozenset({"read"}), channels=who.channels, conversations=who.conversations
        )
        """The principal for reading on their behalf."""
        self.bus = InMemorySubscriptionBus()
        self.streams = ListenHandler(self.bus)
        self.wanted: Counter[str] = Counter()
        self._last_seen: dict[str, object] = {}

    def drop(self, uris: Iterable[str]) -> None:
        """Subtract one subscription from each of these URIs."""
        self.wanted.subtract(uris)
        self.wanted = +self.wanted
        if not self.wanted:
            self._last_seen.clear()

    def touched(self, events: Iterable[Event]) -> list[str]:
        """The subscribed URIs that these events change, as far as this audience may see them."""
        limited = bool(self.viewer.within)
        mine = [e for e in events if not limited or (e.conversation and self.viewer.sees(e.conversation))]
        return [uri for uri in dict.fromkeys(uri for e in mine for uri in touched_uris(e)) if uri in self.wanted]

    async def poll(self, bridge: Bridge) -> list[str]:
        """The subscribed URIs of polled resources that have changed since the last poll."""
        if self.wanted.keys().isdisjoint((CHANNELS, STATUS)):
            return []
        status = await bridge.get_status(self.viewer)
        values = {
            CHANNELS: status.channels,
            STATUS: (status.channels, status.servers, status.engine_pid, status.role, status.warnings),
        }
        changed = [uri for uri, value in values.items() if self._last_seen.setdefault(uri, value) != value]
        self._last_seen.update(values)
        return [uri for uri in changed if uri in self.wanted]


class Push:
    """The subscriptions of all clients of one server, and the task that serves them."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._audiences: dict[frozenset[str], Subscribers] = {}
        self._sessions: dict[Connection, tuple[Subscribers, set[str]]] = {}
        self._starting = asyncio.Lock()
        self._pump: asyncio.Task[None] | None = None
        self._cursor = 0
        self._look_at = 0.0

    async def listen(
        self, ctx: ServerRequestContext[Any, Any], who: Principal, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Serve one stream of notifications (2026-07-28), until its client leaves, without URIs that `who` cannot see.

        Raises:
            Denied: resources are asked for, and `who` may not read.
        """
        requested = list(params.notifications.resource_subscriptions or ())
        if requested:
            who.require("read")
        uris = [uri for uri in requested if visible(who, uri)]
        allowed = params.notifications.model_copy(update={"resource_subscriptions": uris or None})
        audience = self._audience(who)
        async with self._watching(audience, uris):
            return await audience.streams(ctx, params.model_copy(update={"notifications": allowed}))

    async def subscribe(self, ctx: ServerRequestContext[Any, Any], who: Principal, uri: str) -> None:
        """Notify this client (handshake era) of changes until it unsubscribes or leaves.

        Raises:
            Denied: `who` may not read.
            NotFound: there is no such resource, or `who` may not see it.
        """
        who.require("read")
        if not visible(who, uri):
            raise NotFound(
                f"There is no resource '{uri[:80]}'.", fix="See resources/list and resources/templates/list."
            )
        connection = connection_of(ctx)
        if connection not in self._sessions:
            self._sessions[connection] = (self._audience(who), set())
            connection.exit_stack.callback(self._forget, connection)
        audience, subscribed = self._sessions[connection]
        if uri not in subscribed:
            subscribed.add(uri)
            await self._want(audience, [uri])

    def unsubscribe(self, ctx: ServerRequestContext[Any, Any], uri: str) -> None:
        """No longer notify this client. Not having subscribed is fine."""
        audience, subscribed = self._sessions.get(connection_of(ctx), (None, set[str]()))
        if audience is not None and uri in subscribed:
            subscribed.remove(uri)
            self._drop(audience, [uri])

    async def broadcast(self, event: ServerEvent) -> None:
        """Notify the streams of all audiences."""
        for audience in self._audiences.values():
            await audience.bus.publish(event)

    def close(self) -> None:
        """End every stream cleanly, so that clients see an intended end."""
        for audience in self._audiences.values():
            audience.streams.close()

    # -- subscribers ------------------------------------------------------------------------------------------

    def _audience(self, who: Principal) -> Subscribers:
        """The audience of a client, by its limits."""
        return self._audiences.setdefault(who.within, Subscribers(who))

    @asynccontextmanager
    async def _watching(self, audience: Subscribers, uris: list[str]) -> AsyncGenerator[None]:
        await self._want(audience, uris)
        try:
            yield
        finally:
            self._drop(audience, uris)

    async def _want(self, audience: Subscribers, uris: Iterable[str]) -> None:
        """Add a subscription to each URI, and start the task if it does not run: it misses nothing from now on."""
        async with self._starting:
            if self._pump is None:
                self._cursor = await self._bridge.store.feed.head()
                self._pump = asyncio.create_task(self._run(), name="push")
            audience.wanted.update(uris)
            self._stop_if_idle()

    def _drop(self, audience: Subscribers, uris: Iterable[str]) -> None:
        audience.drop(uris)
        self._stop_if_idle()

    def _stop_if_idle(self) -> None:
        if self._pump is not None and not any(audience.wanted for audience in self._audiences.values()):
            self._pump.cancel()
            self._pump = None

    def _forget(self, connection: Connection) -> None:
        audience, subscribed = self._sessions.pop(connection, (None, set[str]()))
        if audience is not None:
            self._drop(audience, subscribed)

    # -- the task ---------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        with closing(self._bridge.store.agenda.watch()) as changes:
            while True:
                try:
                    for audience, uri in await self._changed():
                        await self._publish(audience, uri)
                except Exception:
                    logger.exception("subscribers were not told of a change; going on")
                await changes.wait(LOOK_S)

    async def _changed(self) -> list[tuple[Subscribers, str]]:
        """The subscribed URIs that changed since the last call, with their audiences."""
        listening = [audience for audience in self._audiences.values() if audience.wanted]
        changed: dict[tuple[Subscribers, str], None] = {}
        while True:
            page = await self._bridge.store.feed.read(self._cursor, PAGE)
            self._cursor = page.cursor
            for audience in listening:
                changed.update(dict.fromkeys((audience, uri) for uri in audience.touched(page.events)))
            if len(page.events) < PAGE:
                break
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_S
            for audience in listening:
                changed.update(dict.fromkeys((audience, uri) for uri in await audience.poll(self._bridge)))
        return list(changed)

    async def _publish(self, audience: Subscribers, uri: str) -> None:
        await audience.bus.publish(ResourceUpdated(uri=uri))
        for connection, (theirs, subscribed) in list(self._sessions.items()):
            if theirs is not audience or uri not in subscribed:
                continue
            with anyio.move_on_after(SEND_S) as scope:
                await connection.send_resource_updated(uri)
            if scope.cancelled_caught:
                logger.warning("a client does not read its notices; it is told of no more changes")
                self._forget(connection)


def touched_uris(event: Event) -> tuple[str, ...]:
    """The URIs that an event changes. The status holds the feed's newest cursor, so every event changes it."""
    uris = uris_of(event.conversation) if event.conversation else ()
    return (*uris, APPROVALS, STATUS) if event.type.startswith("approval.") else (*uris, STATUS)


def visible(who: Principal, uri: str) -> bool:
    """Whether there is such a resource within the limits of `who`."""
    if uri in (CHANNELS, APPROVALS, STATUS):
        return True
    try:
        return who.sees(conversation_of(uri))
    except NotFound:
        return False
