"""The session on the gateway: connected, resumed or begun anew, until cancelled; its events are handed on in order.

https://docs.discord.com/developers/events/gateway. discord.py's `DiscordWebSocket` speaks the protocol; its `Client`,
which caches guilds, channels, members and messages and reconnects by itself, is left out: this hands on events as they
are, and keeps nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import anyio
import yarl
from discord import Intents
from discord.errors import ConnectionClosed, HTTPException, RateLimited
from discord.gateway import DiscordWebSocket, ReconnectWebSocket
from discord.http import Route

from bridge_mcp.channels.discord.bot.errors import closed, explained, refused
from bridge_mcp.channels.discord.bot.requests import InvalidResponse, Requests
from bridge_mcp.channels.discord.bot.settings import DiscordSettings, Patience
from bridge_mcp.channels.health import BotHealth
from bridge_mcp.core.backoff import Backoff

__all__ = ["EVENTS", "Gateway", "Handle", "intents_of"]

logger = logging.getLogger(__name__)

Handle = Callable[[str, dict[str, Any]], None]
"""Takes an event by its name. Returns at once."""

EVENTS = frozenset(
    {
        *("READY", "RESUMED", "GUILD_CREATE", "GUILD_DELETE"),
        *("CHANNEL_CREATE", "CHANNEL_UPDATE", "THREAD_CREATE", "THREAD_UPDATE", "THREAD_LIST_SYNC"),
        *("MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE"),
        "INTERACTION_CREATE",
    }
)
"""What is handed on; everything else is dropped where it comes in."""
FEW_STARTS = 20
"""Sessions that are left of a day's; with fewer, nothing is begun: at 0 Discord makes the token invalid."""
UNFIT = (AttributeError, KeyError, TypeError, ValueError, RecursionError)
"""What the library raises where a message of the gateway is not as documented."""


def intents_of(settings: DiscordSettings) -> Intents:
    """What the bot is told of: no privileged intent, unless it reads everything in some channel."""
    intents = Intents.none()
    intents.guilds = intents.guild_messages = intents.dm_messages = True
    intents.message_content = settings.hears_all
    intents.guild_reactions = intents.dm_reactions = settings.reactions
    return intents


class Parsers(dict[str, Any]):
    """The events that are handed on, by name, as the library looks them up."""

    def __init__(self, handle: Handle) -> None:
        super().__init__()
        self._handle = handle

    def __missing__(self, name: str) -> Callable[[dict[str, Any]], None]:
        if name not in EVENTS:
            raise KeyError(name)
        return lambda data: self._handle(name, data)


class GatewayState:
    """What the library's gateway asks of the state of a client."""

    def __init__(self, intents: Intents, silence_s: float, handle: Handle) -> None:
        self.parsers = Parsers(handle)
        self.shard_count = None
        self.heartbeat_timeout = silence_s
        self._intents = intents
        self._activity = self._status = None

    async def call_hooks(self, key: str, *args: Any, **kwargs: Any) -> None:
        """There are none."""

    def _update_references(self, ws: DiscordWebSocket) -> None:
        """Nothing here refers to the connection."""


class GatewayClient:
    """What the library's gateway asks of a client."""

    def __init__(self, http: Requests, connection: GatewayState) -> None:
        self.http, self._connection = http, connection
        self.loop = asyncio.get_running_loop()
        self._enable_debug_events = False

    def dispatch(self, event: str, *args: Any) -> None:
        """Events go to the parsers alone."""


class Gateway:
    """The session of one bot."""

    def __init__(
        self, requests: Requests, settings: DiscordSettings, health: BotHealth, patience: Patience, handle: Handle
    ) -> None:
        self._requests, self._settings, self._health, self._patience = requests, settings, health, patience
        self._handle = handle
        connection = GatewayState(intents_of(settings), patience.silence, self._take)
        self._carrier: Any = GatewayClient(requests, connection)
        self._backoff = Backoff(patience.first, patience.most, lambda: random.uniform(0.8, 1.0))
        self._begun = -1e9
        """When a session was begun last (monotonic)."""
        self._ws: DiscordWebSocket | None = None

    async def run(self) -> None:
        """Until cancelled.

        Raises:
            ConfigError: the token or the intents are refused; it cannot work until the owner changes something.
        """
        last: DiscordWebSocket | None = None
        while True:
            try:
                last = await self._connect(last)
                while True:
                    await last.poll_event()
            except ReconnectWebSocket as exc:
                last = last if exc.resume and last is not None and last.session_id else None
                await self._after("Discord's gateway asked to connect again.")
            except ConnectionClosed as exc:
                if final := closed(self._settings.name, exc.code):
                    raise final from None
                last = None
                await self._after(f"Discord's gateway closed the connection ({exc.code}).")
            except HTTPException as exc:
                if exc.status == 401:
                    raise refused(self._settings.name) from None
                await self._after(explained(exc, self._requests.clean))
            except RateLimited as exc:
                self._bad(explained(exc, self._requests.clean))
                await anyio.sleep(exc.retry_after)
            except (aiohttp.ClientError, OSError, TimeoutError, InvalidResponse) as exc:
                await self._after(explained(exc, self._requests.clean))
            except UNFIT as exc:
                last = None
                await self._after(f"Discord's gateway said something that cannot be read ({type(exc).__name__}).")
            finally:
                await self._close()

    async def _connect(self, last: DiscordWebSocket | None) -> DiscordWebSocket:
        """A new connection that goes on with the session of the last one, or begins one."""
        if last is not None:
            self._ws = await DiscordWebSocket.from_client(
                self._carrier, gateway=last.gateway, session=last.session_id, sequence=last.sequence, resume=True,
                compress=False,
            )  # fmt: skip
            return self._ws
        await anyio.sleep(max(0.0, self._begun + self._patience.identify - time.monotonic()))
        answer = await self._requests.request(Route("GET", "/gateway/bot"))
        start: dict[str, Any] = answer.get("session_start_limit") or {}
        if int(start.get("remaining", FEW_STARTS + 1)) <= FEW_STARTS:
            wait = min(max(float(start.get("reset_after", 0)) / 1000, 60.0), 86_400.0)
            raise RateLimited(wait)
        self._begun = time.monotonic()
        url = yarl.URL(str(answer["url"]))
        self._ws = await DiscordWebSocket.from_client(self._carrier, initial=True, gateway=url, compress=False)
        return self._ws

    def _take(self, name: str, data: dict[str, Any]) -> None:
        if name in ("READY", "RESUMED"):
            self._backoff.reset()
            self._health.good()
        self._handle(name, data)

    async def _after(self, event: str) -> None:
        """Report why the connection ended, and pause before the next one: after the first failure hardly at all."""
        if self._backoff.failures:
            self._bad(event)
        await anyio.sleep(self._backoff.next() if self._backoff.failures else min(self._patience.first, 0.1))
        self._backoff.failures += not self._backoff.failures

    def _bad(self, problem: str) -> None:
        if problem != self._health.health.error:
            logger.warning("channel %s: %s", self._settings.name, problem)
        self._health.bad(problem)

    async def _close(self) -> None:
        """End the connection, if there is one; its session can be resumed."""
        ws, self._ws = self._ws, None
        if ws is not None:
            with anyio.CancelScope(shield=True), anyio.move_on_after(1.0):
                await ws.close(4000)
