"""A channel of one bot as the engine sees it: what needs the platform's library is loaded when it is first needed.

Importing this is cheap. The library is loaded when the channel runs, cuts or sends a message, or fetches a file.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import anyio.to_thread

from bridge_mcp.channels.health import BotHealth
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import ConfigError, FetchFailed, SendFailed
from bridge_mcp.ports import ChannelHealth, ChannelTraits, Clock, Inbox, OutgoingAction, Part

__all__ = ["Bot", "BotChannel"]

LACKING_S = 60.0
"""Seconds until a message without a token is tried again; only a restart of the bridge brings a token."""


class Bot(Protocol):
    """The parts that need the platform's library, put together. All but `parts` is done while it is open."""

    def open(self) -> AbstractAsyncContextManager[object]:
        """Hold its connections open; several callers may do so at once."""
        ...

    async def receive(self, inbox: Inbox, health: BotHealth) -> None:
        """Receive until cancelled.

        Raises:
            ConfigError: it cannot work until the owner changes something.
        """
        ...

    def parts(self, action: OutgoingAction) -> tuple[Part, ...]:
        """See `ports.Channel`."""
        ...

    async def send(self, part: Part) -> tuple[str, ...]:
        """See `ports.Channel`."""
        ...

    async def show(self, chat: str, draft: int, text: str) -> None:
        """See `ports.Channel`."""
        ...

    async def fetch(self, attachment: Attachment, most: int) -> bytes:
        """See `ports.Channel`."""
        ...


class BotChannel:
    """A `Channel` for one bot.

    Args:
        traits: what it is like.
        lacking: a missing setting (a token), with the fix; not empty: the channel cannot work, and nothing is sent.
        clock: dates the last good exchange.
        load: imports the library, which is slow the first time; what it returns makes the bot, on the event loop.
    """

    def __init__(
        self, traits: ChannelTraits, lacking: str, clock: Clock, load: Callable[[], Callable[[], Bot]]
    ) -> None:
        self.traits = traits
        self._lacking, self._load = lacking, load
        self._health = BotHealth(clock)
        self._bot: Bot | None = None

    async def run(self, inbox: Inbox) -> None:
        """See `ports.Channel`."""
        self._health.begin()
        try:
            if self._lacking:
                raise ConfigError(self._lacking)
            bot = await self._loaded()
            async with bot.open():
                await bot.receive(inbox, self._health)
        except ConfigError as exc:
            self._health.end(str(exc))
            raise
        finally:
            self._health.end()

    def parts(self, action: OutgoingAction) -> tuple[Part, ...]:
        """See `ports.Channel`."""
        self._bot = self._bot or self._load()()
        return self._bot.parts(action)

    async def send(self, part: Part) -> tuple[str, ...]:
        """See `ports.Channel`."""
        if self._lacking:
            raise SendFailed(self._lacking, retry_after_s=LACKING_S)
        bot = await self._loaded()
        async with bot.open():
            return await bot.send(part)

    async def show(self, chat: str, draft: int, text: str) -> None:
        """See `ports.Channel`."""
        if self._lacking:
            return
        bot = await self._loaded()
        async with bot.open():
            await bot.show(chat, draft, text)

    async def fetch(self, attachment: Attachment, most: int) -> bytes:
        """See `ports.Channel`."""
        if self._lacking:
            raise FetchFailed(self._lacking)
        bot = await self._loaded()
        async with bot.open():
            return await bot.fetch(attachment, most)

    def health(self) -> ChannelHealth:
        """See `ports.Channel`."""
        return self._health.health

    async def _loaded(self) -> Bot:
        """The bot, whose library is imported beside the event loop if it is not there yet."""
        if self._bot is None:
            make = await anyio.to_thread.run_sync(self._load)
            self._bot = self._bot or make()
        return self._bot
