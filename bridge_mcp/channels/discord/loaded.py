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
from bridge_mcp.channels.discord.send.parts import cut
from bridge_mcp.channels.discord.send.sender import Sender
from bridge_mcp.channels.health import BotHealth
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import ConfigError
from bridge_mcp.ports import Clock, Inbox, OutgoingAction, Part

__all__ = ["Loaded"]


class Loaded:
    """A `Bot`."""

    def __init__(
        self, settings: DiscordSettings, clock: Clock, commands: Sequence[tuple[str, str]], patience: Patience
    ) -> None:
        self._settings, self._clock, self._commands, self._patience = settings, clock, commands, patience
        self._requests = Requests(settings, patience)
        self._places = Places(self._requests)
        sender = Sender(self._requests, settings, self._places, clock, patience)
        self.open, self.send, self.show = self._requests.open, sender.send, sender.show

    def parts(self, action: OutgoingAction) -> tuple[Part, ...]:
        """See `ports.Channel`."""
        return cut(action)

    async def receive(self, inbox: Inbox, health: BotHealth) -> None:
        """See `Bot`."""
        receiver = Receiver(
            self._requests,
            self._settings,
            self._places,
            inbox,
            health=health,
            clock=self._clock,
            commands=self._commands,
            patience=self._patience,
        )
        gateway = Gateway(self._requests, self._settings, health, self._patience, receiver.take)
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
        return await fetch(self._requests, self._settings, attachment, most)
