"""One run of receiving: who we are, messages of the time away, and then events until cancelled."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import anyio

from bridge_mcp.channels.health import BotHealth
from bridge_mcp.channels.slack.places import Places
from bridge_mcp.channels.slack.receive.backlog import Backlog
from bridge_mcp.channels.slack.receive.events import Account, Events
from bridge_mcp.channels.slack.receive.names import Names
from bridge_mcp.channels.slack.receive.posts import PostedEvents
from bridge_mcp.channels.slack.receive.receiver import Receiver
from bridge_mcp.channels.slack.receive.socket import Sockets
from bridge_mcp.channels.slack.send.drafts import Drafts
from bridge_mcp.channels.slack.send.errors import TOKENS
from bridge_mcp.channels.slack.web import SlackFault, SlackWeb
from bridge_mcp.core.backoff import Backoff
from bridge_mcp.core.errors import BridgeError, ConfigError
from bridge_mcp.ports import Clock, Inbox

__all__ = ["Session"]

logger = logging.getLogger(__name__)


class Session:
    """One run of receiving; `web` is open."""

    def __init__(self, web: SlackWeb, places: Places, drafts: Drafts, health: BotHealth, clock: Clock) -> None:
        self._web, self._places, self._drafts, self._health, self._clock = web, places, drafts, health, clock
        self._settings, self._patience = web.settings, web.patience

    async def run(self, inbox: Inbox) -> None:
        """Until cancelled.

        Raises:
            ConfigError: it can never work as it is configured.
        """
        client = self._web.client
        me = await self._answered(lambda: self._web.call(client.auth_test), "bot_token")
        bot_id = str(me.get("bot_id") or "")
        account = Account(str(me["team_id"]), str(me["user_id"]), name=str(me.get("user", "")), bot=bot_id)
        self._health.met(f"@{account.name}")
        failure: ConfigError | None = None
        async with anyio.create_task_group() as tasks:
            events = Events(self._settings, account, Names(self._web), self._places, self._clock)
            receiver = Receiver(self._web, inbox, events, self._drafts, tasks)
            try:
                async with AsyncExitStack() as stack:
                    await self._listen(inbox, receiver, account, stack)
            except ConfigError as exc:  # not wrapped into a group: the engine reads it
                failure = exc
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _listen(self, inbox: Inbox, receiver: Receiver, account: Account, stack: AsyncExitStack) -> None:
        backlog = Backlog(self._web, self._places, receiver, inbox, account.team)
        if self._settings.posts is not None:
            posts = PostedEvents(self._settings.posts, receiver.take, self._bad, self._clock, self._patience)
            await stack.enter_async_context(posts.open())
            await self._catch_up(inbox, receiver, backlog)
            self._health.good()
            await anyio.sleep_forever()
        sockets = Sockets(self._web, receiver.take, self._bad)
        urls = [await self._url() for _ in range(self._patience.connections)]
        await sockets.open(urls, stack)
        await self._catch_up(inbox, receiver, backlog)
        self._health.good()
        await self._watch(sockets, inbox, receiver, backlog)

    async def _url(self) -> str:
        """Where one connection of Socket Mode goes; asked for here first, because a wrong token can never work."""
        client, token = self._web.client, self._settings.app_token
        opened = await self._answered(
            lambda: self._web.call(client.apps_connections_open, app_token=token), "app_token"
        )
        return str(opened["url"])

    async def _watch(self, sockets: Sockets, inbox: Inbox, receiver: Receiver, backlog: Backlog) -> None:
        """Look after the connections, which the library renews; after a gap, look for what is missing."""
        lost: float | None = None
        while True:
            await anyio.sleep(self._patience.look)
            now = time.monotonic()
            if await sockets.alive():
                if lost is not None and now - lost > self._patience.gap:
                    await self._catch_up(inbox, receiver, backlog)
                lost = None
                if self._health.health.state != "ready":
                    self._health.good()
            else:
                lost = now if lost is None else lost
                if now - lost > self._patience.gap:
                    receiver.advances = False
                    self._bad("Slack is not connected, and is tried again. Check the network.")

    async def _catch_up(self, inbox: Inbox, receiver: Receiver, backlog: Backlog) -> None:
        """Read what came while nobody listened; at the very first as far back as the owner wants."""
        receiver.advances = False
        offset, began, backoff = await inbox.offset(self._settings.name), self._clock.now(), self._backoff()
        if offset is None and self._settings.first_s:
            offset = int((began - self._settings.first_s) * 1_000_000)
        while offset is not None:
            try:
                await backlog.read(offset)
                break
            except (SlackFault, BridgeError) as exc:
                self._bad(f"Messages of the time away could not be read: {exc}")
                await anyio.sleep(backoff.next())
        receiver.advances = True
        await receiver.begin(int(began * 1_000_000) if offset is None else offset)

    async def _answered(self, request: Callable[[], Awaitable[dict[str, Any]]], key: str) -> dict[str, Any]:
        """The answer to a request, tried until there is one.

        Raises:
            ConfigError: a token is wrong.
        """
        backoff = self._backoff()
        while True:
            try:
                return await request()
            except SlackFault as fault:
                if fault.error in (*TOKENS, "not_allowed_token_type"):
                    raise ConfigError(
                        f"channels.{self._settings.name}.{key}: Slack does not accept it ({fault.error}).",
                        fix="Install the app again (bridge-mcp init slack), and copy its token.",
                    ) from None
                self._bad(f"{fault}. It is tried again.")
                await anyio.sleep(fault.retry_after_s if fault.retry_after_s is not None else backoff.next())

    def _backoff(self) -> Backoff:
        return Backoff(self._patience.first, self._patience.most, lambda: random.uniform(0.8, 1.0))

    def _bad(self, problem: str) -> None:
        """Receiving does not work at the moment; the same error is logged once."""
        problem = self._web.clean(problem)
        if problem != self._health.health.error:
            logger.warning("channel %s: %s", self._settings.name, problem)
        self._health.bad(problem)
