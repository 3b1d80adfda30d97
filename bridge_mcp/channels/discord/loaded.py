"""All parts of a Discord channel that need discord.py, put together."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from bridge_mcp.channels.discord.bot.gateway import Gateway
from bridge_mcp.channels.discord.bot.requests import Requests
from bridge_mcp.channels.discord.bot.settings import DiscordSettings, Patience
from bridge_mcp.channels.discord.receive.files import fetch
from bridge_mcp.channels.discord.receive.places import Places
from bridge_mcp.channels.discord.receive.receiver import Receiver
from bridge_mcp.channels.discord.send.sender import Sender
from bridge_mcp.channels.health import BotHealth
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import ConfigError
from bridge_mcp.ports import Clock, Inbox

__all__ = ["Loaded"]


class Loaded:
    """The parts of one bot."""

    def __init__(self, settings: DiscordSettings, clock: Clock, patience: Patience) -> None:
        self._settings, self._clock, self._patience = settings, clock, patience
        self.requests = Requests(settings, patience)
        self._places = Places(self.requests)
        self.sender = Sender(self.requests, settings, self._places, clock, patience)

    async def receive(self, inbox: Inbox, health: BotHealth, commands: Sequence[tuple[str, str]]) -> None:
        """Receive until cancelled.

        Raises:
            ConfigError: it cannot work until the owner changes something.
        """
        receiver = Receiver(
            self.requests,
            self._settings,
            self._places,
            inbox,
            health=health,
            clock=self._clock,
            commands=commands,
            patience=self._patience,
        )
        gateway = Gateway(self.requests, self._settings, health, self._patience, receiver.take)
        refused: ConfigError | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receiver.run)
            try:
                await gateway.run()
            except ConfigError as exc:
                refused = exc
                tasks.cancel_scope.cancel()
        if refused is not None:
            raise refused

    async def fetch(self, attachment: Attachment, most: int) -> bytes:
        """See `ports.Channel.fetch`."""
        return await fetch(self.requests, self._settings, attachment, most)
