"""Posts events to callbacks, one after the other for each subscription, until the callback has taken each.

A subscription's position moves once its callback has answered, so a crash repeats the last event, under the same id,
and loses none. What its client may see is asked again before each event.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from weakref import WeakValueDictionary

import anyio
from anyio.abc import TaskGroup

from bridge_mcp.core.backoff import pause_s
from bridge_mcp.core.errors import BadInput, Denied, NotFound, StoreError
from bridge_mcp.ports import Changes, Clock, EventPage, EventSubscription
from bridge_mcp.server.events.callbacks import CallbackFailed, Callbacks
from bridge_mcp.server.events.protocol import MAX_BODY, cursor_of, occurrence
from bridge_mcp.server.http.aap_webhooks import verdict_message
from bridge_mcp.server.tools.json_text import compact
from bridge_mcp.service import Bridge

__all__ = ["EventDeliveries"]

logger = logging.getLogger(__name__)

LOOK_S = 5.0
"""How often subscriptions are looked at even without a commit."""
EXPIRY_S = 60.0
"""How often those that have expired are removed."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 600.0
OLD_SECRET_S = 600.0
"""How long the secret before the last one signs too."""
AT_HOST = 4
"""Posts to one host at once."""
PASSED = 10_000
"""After so many events that are none of its own, a subscription's position is written down."""

GONE, TOO_LARGE = 410, 413


class EventDeliveries:
    """The lane of the engine that posts events."""

    def __init__(
        self, bridge: Bridge, clock: Clock, callbacks: Callbacks | None = None, first_pause_s: float = FIRST_PAUSE_S
    ) -> None:
        self._bridge = bridge
        self._clock = clock
        self._store = bridge.store.subscriptions
        self._callbacks = callbacks or Callbacks(bridge.rules.events.local_hosts)
        self._first_pause_s = first_pause_s
        self._hosts: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        """How many posts may begin at each host that has some."""
        self._at_work: dict[str, anyio.CancelScope] = {}

    async def run(self) -> None:
        """Until cancelled. What is posted is cancelled as soon as its subscription is gone."""
        expiry = 0.0
        self._at_work.clear()
        with closing(self._bridge.store.agenda.watch(conversations=False)) as changes:
            async with anyio.create_task_group() as tasks:
                while True:
                    if anyio.current_time() >= expiry:
                        expiry = anyio.current_time() + EXPIRY_S
                        await self._store.remove_expired(self._clock.now())
                    self._follow(await self._store.ids(), tasks)
                    await changes.wait(LOOK_S)

    def _follow(self, current: frozenset[str], tasks: TaskGroup) -> None:
        """Work on the subscriptions that there are, and on no others."""
        for gone in self._at_work.keys() - current:
            self._at_work.pop(gone).cancel()
        for new in current - self._at_work.keys():
            self._at_work[new] = anyio.CancelScope()
            tasks.start_soon(self._work, new, self._at_work[new])

    async def _work(self, subscription: str, scope: anyio.CancelScope) -> None:
        """Deliver for one subscription until it is gone. A bug that it meets pauses it alone."""
        with scope:
            while True:
                try:
                    with closing(self._bridge.store.agenda.watch()) as changes:
                        await self._deliver_all(subscription, changes)
                        break
                except StoreError:
                    raise
                except Exception:
                    logger.exception("subscription %s cannot be served; trying again", subscription)
                    await self._failed(subscription, "")
        if self._at_work.get(subscription) is scope:
            del self._at_work[subscription]

    async def _deliver_all(self, subscription: str, changes: Changes) -> None:
        cursor = 0
        while (stored := await self._store.get(subscription)) is not None:
            now = self._clock.now()
            if stored.expires_at <= now:
                await self._store.remove_expired(now)
                return
            # A due time further off than any pause is from a clock that was set back since.
            pause = stored.due_at - now if stored.due_at - now <= LONGEST_PAUSE_S else 0.0
            if pause > 0 or stored.suspended:
                await changes.wait(min(pause, LOOK_S) if pause > 0 else LOOK_S)
                continue
            page = await self._next(stored, cursor)
            if page is None:
                await self._store.remove(subscription)
                return
            if page.gap or page.events:
                await self._deliver(stored, page)
                continue
            cursor = page.cursor
            if cursor - stored.position > PASSED:
                await self._store.passed(subscription, cursor)
            await changes.wait(LOOK_S)

    async def _next(self, subscription: EventSubscription, cursor: int) -> EventPage | None:
        """The next event of a subscription, if there is one; None where its client may not have it any more."""
        if subscription.instance:
            return await self._bridge.next_decided_request(
                subscription.client, subscription.scopes, max(subscription.position, cursor)
            )
        who = await self._bridge.client_now(subscription.client, subscription.scopes)
        if who is None:
            logger.info("subscription %s ends: its client %s is let in no longer", subscription.id, subscription.client)
            return None
        try:
            return await self._bridge.read_feed(
                who,
                max(subscription.position, cursor),
                types=(subscription.event,),
                channel=subscription.channel,
                conversation=subscription.conversation,
                limit=1,
            )
        except (Denied, NotFound, BadInput) as exc:
            logger.info("subscription %s of %s ends: %s", subscription.id, subscription.client, exc)
            return None

    async def _deliver(self, subscription: EventSubscription, page: EventPage) -> None:
        """Post one event, or that some are gone."""
        if page.gap:
            position = page.first_available - 1
            message = f"msg_gap_{position}"
            body = compact({"type": "gap", "cursor": cursor_of(position)})
        elif subscription.instance:
            position = page.events[0].cursor
            message, body = verdict_message(subscription, page.events[0])
        else:
            event = page.events[0]
            position = event.cursor
            fields = occurrence(event)
            message = str(fields["eventId"])
            body = compact({**fields, "cursor": cursor_of(position)})
        if len(body.encode()) > MAX_BODY:
            logger.error("%s is too large to be posted; subscription %s goes on", message, subscription.id)
            await self._store.passed(subscription.id, position)
            return
        keys = [subscription.secret]
        if subscription.old_secret and 0 <= self._clock.now() - subscription.secret_at < OLD_SECRET_S:
            keys.append(subscription.old_secret)
        try:
            async with self._hosts.setdefault(subscription.host, asyncio.Semaphore(AT_HOST)):
                await self._callbacks.post(
                    subscription.url, "" if subscription.instance else subscription.id, message, body, keys
                )
        except CallbackFailed as exc:
            await self._refused(subscription, position, exc)
        else:
            await self._store.delivered(subscription.id, position, self._clock.now())

    async def _refused(self, subscription: EventSubscription, position: int, exc: CallbackFailed) -> None:
        """A delivery failed: it is tried again after a pause, unless the callback said that this is no use."""
        if exc.status == GONE:
            logger.info("subscription %s of %s ends: its callback is gone", subscription.id, subscription.client)
            await self._store.remove(subscription.id)
        elif exc.status == TOO_LARGE:
            logger.warning(
                "subscription %s of %s passes over an event that its callback finds too large",
                subscription.id,
                subscription.client,
            )
            await self._store.passed(subscription.id, position)
        else:
            if not subscription.failures:
                logger.warning(
                    "subscription %s of %s: its callback fails (%s)", subscription.id, subscription.client, exc.reason
                )
            await self._failed(subscription.id, exc.reason)

    async def _failed(self, subscription: str, error: str) -> None:
        stored, now = await self._store.get(subscription), self._clock.now()
        if stored is not None:
            pause = pause_s(stored.failures, self._first_pause_s, LONGEST_PAUSE_S)
            await self._store.failed(subscription, error, now + pause, now)
