"""Tells subscribers that a resource changed, in both eras of the protocol.

A pump follows the store's feed while somebody is subscribed, and only then. A notice says that something changed, never
what: whoever missed one reads the resource, or the feed by its cursor. What the feed does not tell of (how channels and
servers are) is looked at every two seconds.
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
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated

from bridge_mcp.core.errors import NotFound
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.views import Event
from bridge_mcp.server import render_bridge
from bridge_mcp.server.resources import APPROVALS, CHANNELS, STATUS, conversation_of, uris_of
from bridge_mcp.service import Bridge

__all__ = ["Push"]

logger = logging.getLogger(__name__)

WATCHER = Principal("push", "bridge", frozenset({"read"}))

LOOK_S = 2.0
"""How often to look at what the feed does not tell of."""

SEND_S = 1.0
"""How long one notice may take; a client that lets it wait longer does not read, and is forgotten."""

PAGE = 500


class Push:
    """The subscriptions of all clients of one server, and the pump that serves them."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._bus = InMemorySubscriptionBus()
        self._streams = ListenHandler(self._bus)
        self._sessions: dict[Connection, set[str]] = {}
        self._wanted: Counter[str] = Counter()
        self._starting = asyncio.Lock()
        self._pump: asyncio.Task[None] | None = None
        self._cursor = 0
        self._looks: dict[str, object] = {}
        self._look_at = 0.0

    async def listen(
        self, ctx: ServerRequestContext[Any, Any], who: Principal, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Serve one stream of notices (2026-07-28), until its client leaves. What `who` cannot see is not honoured.

        Raises:
            Denied: resources are asked for, and `who` may not read.
        """
        asked = list(params.notifications.resource_subscriptions or ())
        if asked:
            who.require("read")
        uris = [uri for uri in asked if visible(who, uri)]
        allowed = params.notifications.model_copy(update={"resource_subscriptions": uris or None})
        async with self._watching(uris):
            return await self._streams(ctx, params.model_copy(update={"notifications": allowed}))

    async def subscribe(self, ctx: ServerRequestContext[Any, Any], who: Principal, uri: str) -> None:
        """Tell this client (of the handshake era) of changes until it unsubscribes or leaves.

        Raises:
            Denied: `who` may not read.
            NotFound: there is no such resource, for `who`.
        """
        who.require("read")
        if not visible(who, uri):
            raise NotFound(
                f"There is no resource '{uri[:80]}'.", fix="See resources/list and resources/templates/list."
            )
        connection = connection_of(ctx)
        if connection not in self._sessions:
            self._sessions[connection] = set()
            connection.exit_stack.callback(self._forget, connection)
        if uri not in self._sessions[connection]:
            self._sessions[connection].add(uri)
            await self._want([uri])

    def unsubscribe(self, ctx: ServerRequestContext[Any, Any], uri: str) -> None:
        """Tell this client no longer. Not having subscribed is fine."""
        held = self._sessions.get(connection_of(ctx), set())
        if uri in held:
            held.remove(uri)
            self._drop([uri])

    def close(self) -> None:
        """End every stream in order; their clients learn that it was meant."""
        self._streams.close()

    # -- who wants what ---------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _watching(self, uris: list[str]) -> AsyncGenerator[None]:
        await self._want(uris)
        try:
            yield
        finally:
            self._drop(uris)

    async def _want(self, uris: Iterable[str]) -> None:
        """Count these, with a pump that misses nothing from now on."""
        async with self._starting:
            if self._pump is None:
                self._cursor = await self._bridge.store.feed.head()
                self._pump = asyncio.create_task(self._run(), name="push")
            self._wanted.update(uris)
            self._stop_if_idle()

    def _drop(self, uris: Iterable[str]) -> None:
        self._wanted.subtract(uris)
        self._wanted = +self._wanted
        self._stop_if_idle()

    def _stop_if_idle(self) -> None:
        if not self._wanted and self._pump is not None:
            self._pump.cancel()
            self._pump = None
            self._looks.clear()

    def _forget(self, connection: Connection) -> None:
        self._drop(self._sessions.pop(connection, set()))

    # -- the pump ---------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        with closing(self._bridge.store.agenda.watch()) as changes:
            while True:
                try:
                    for uri in await self._changed():
                        await self._publish(uri)
                except Exception:
                    logger.exception("subscribers were not told of a change; going on")
                await changes.wait(LOOK_S)

    async def _changed(self) -> list[str]:
        """The wanted addresses behind which something changed since the last time."""
        found: dict[str, None] = {}
        while True:
            page = await self._bridge.store.feed.read(self._cursor, PAGE)
            self._cursor = page.cursor
            for event in page.events:
                found.update(dict.fromkeys(touched(event)))
            if len(page.events) < PAGE:
                break
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_S
            found.update(dict.fromkeys(await self._looked()))
        return [uri for uri in found if uri in self._wanted]

    async def _looked(self) -> list[str]:
        """Of what the feed does not tell of: what is no longer as it was at the last look."""
        status = await self._bridge.get_status(WATCHER)
        seen = {
            CHANNELS: render_bridge.channels(status.channels),
            STATUS: (status.channels, status.servers, status.engine_pid, status.role, status.warnings),
        }
        changed = [uri for uri, value in seen.items() if self._looks.setdefault(uri, value) != value]
        self._looks.update(seen)
        return changed

    async def _publish(self, uri: str) -> None:
        await self._bus.publish(ResourceUpdated(uri=uri))
        for connection, held in list(self._sessions.items()):
            if uri not in held:
                continue
            with anyio.move_on_after(SEND_S) as scope:
                await connection.send_resource_updated(uri)
            if scope.cancelled_caught:
                logger.warning("a client does not read its notices; it is told of no more changes")
                self._forget(connection)


def touched(event: Event) -> tuple[str, ...]:
    """The addresses of what an event changes. The status tells the feed's newest cursor, so every event changes it."""
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


def connection_of(ctx: ServerRequestContext[Any, Any]) -> Connection:
    """The connection behind a request, which outlives it.

    The SDK documents its `exit_stack` for handlers to clean up by, but hands them only the session around it.
    """
    return ctx.session._connection  # pyright: ignore[reportPrivateUsage]
