"""All parts of a Telegram channel that need python-telegram-bot, put together."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from bridge_mcp.channels.health import BotHealth
from bridge_mcp.channels.telegram.bot.connections import BotConnections
from bridge_mcp.channels.telegram.bot.settings import Patience, TelegramSettings
from bridge_mcp.channels.telegram.receive.files import fetch
from bridge_mcp.channels.telegram.receive.session import Session
from bridge_mcp.channels.telegram.send.rate_limit import Pacer, Rates
from bridge_mcp.channels.telegram.send.sender import Sender
from bridge_mcp.core.entries import Attachment
from bridge_mcp.ports import Clock, Inbox

__all__ = ["Loaded"]

NO_TOKEN = "0:unset"
"""The token of a bot that has none: messages can be cut into parts without one, so they wait in their final form."""


class Loaded:
    """A `Bot`."""

    def __init__(
        self,
        settings: TelegramSettings,
        clock: Clock,
        commands: Sequence[tuple[str, str]],
        patience: Patience,
        rates: Rates,
    ) -> None:
        self._clock, self._commands, self._patience = clock, commands, patience
        self._connections = BotConnections(settings if settings.token else replace(settings, token=NO_TOKEN))
        sender = Sender(self._connections.bot, clock, settings.name, pacer=Pacer(clock, rates=rates))
        self.open = self._connections.open
        self.parts, self.send, self.show = sender.parts, sender.send, sender.show

    async def receive(self, inbox: Inbox, health: BotHealth) -> None:
        """See `Bot`."""
        await Session(self._connections, health, self._clock, self._commands, self._patience).run(inbox)

    async def fetch(self, attachment: Attachment, most: int) -> bytes:
        """See `ports.Channel`."""
        return await fetch(self._connections, attachment, most)
