"""The Telegram channel as the engine sees it: receiving and sending, put together when they are first needed.

Importing this is cheap: python-telegram-bot is loaded when the channel runs, sends, or fetches a file.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio.to_thread
from msgspec.structs import replace

from bridge_mcp.channels.health import BotHealth
from bridge_mcp.channels.telegram.bot.settings import Patience, TelegramSettings
from bridge_mcp.channels.telegram.send.rate_limit import Pacer, Rates
from bridge_mcp.core.capabilities import EVERY_MARKUP
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import ConfigError, FetchFailed, SendFailed
from bridge_mcp.ports import Capabilities, ChannelHealth, ChannelTraits, Clock, Inbox, OutgoingAction, Part

if TYPE_CHECKING:
    from bridge_mcp.channels.telegram.bot.connections import BotConnections
    from bridge_mcp.channels.telegram.receive.session import Session
    from bridge_mcp.channels.telegram.send.sender import Sender

__all__ = ["TelegramChannel"]

NO_TOKEN = "0:unset"
"""The token of a bot that has none: messages can be cut into parts without one, so they wait in their final form."""

LACKING_S = 60.0
"""Seconds until a message without a token is tried again; only a restart of the bridge brings a token."""


CAN = Capabilities(
    text_chars=4_096,
    markdown=EVERY_MARKUP,
    edits=True,
    reactions=True,
    buttons=100,
    file_bytes=50 * 1024 * 1024,
    files_in=True,
    albums=True,
    edits_in=True,
    groups=True,
    bots=True,
    threads=True,
    topics=("make", "name", "icon", "close"),
    typing=True,
    drafts=True,
    history=True,
    prompts=True,
    paste_chars=2_000,
)
"""What bots can do, by https://core.telegram.org/bots/api; apps cut pastes anywhere in the second half of 4,096."""


SUBJECTS = r"-?[0-9]{1,20}|business-[0-9]{1,20}"
"""Chats and users; and accounts that connected the bot, by their user."""


class TelegramChannel:
    """A `Channel` for one bot.

    Args:
        settings: how it is reached.
        clock: dates updates that carry no time, and the last successful request.
        commands: name and description of each command that the bridge answers; Telegram shows them to people.
        patience: time-outs and pauses.
        rates: the rate limits for messages; by default Telegram's.
    """

    def __init__(
        self,
        settings: TelegramSettings,
        clock: Clock,
        commands: Sequence[tuple[str, str]] = (),
        patience: Patience | None = None,
        rates: Rates | None = None,
    ) -> None:
        self.traits = ChannelTraits(settings.name, "telegram", subjects=SUBJECTS, can=CAN)
        self._settings = settings
        self._clock = clock
        self._commands = tuple(commands)
        self._patience = patience or Patience()
        self._rates = rates or Rates()
        self._health = BotHealth(clock)
        self._loading = threading.Lock()
        self._connections: BotConnections | None = None
        self._sender: Sender | None = None

    async def run(self, inbox: Inbox) -> None:
        """See `ports.Channel`."""
        self._health.begin()
        try:
            if self._settings.lacking:
                raise ConfigError(self._settings.lacking)
            connections, session_type = await anyio.to_thread.run_sync(self._load_session)
            async with connections.open():
                await session_type(connections, self._health, self._clock, self._commands, self._patience).run(inbox)
        except ConfigError as exc:
            self._health.end(str(exc))
            raise
        finally:
            self._health.end()

    def parts(self, action: OutgoingAction) -> tuple[Part, ...]:
        """See `ports.Channel`."""
        return self._load()[1].parts(action)

    async def send(self, part: Part) -> tuple[str, ...]:
        """See `ports.Channel`."""
        connections, sender = self._load()
        if self._settings.lacking:
            raise SendFailed(self._settings.lacking, retry_after_s=LACKING_S)
        async with connections.open():
            return await sender.send(part)

    async def show(self, chat: str, draft: int, text: str) -> None:
        """See `ports.Channel`."""
        connections, sender = self._load()
        if self._settings.lacking:
            return
        async with connections.open():
            await sender.show(chat, draft, text)

    async def fetch(self, attachment: Attachment, most: int) -> bytes:
        """See `ports.Channel`."""
        if self._settings.lacking:
            raise FetchFailed(self._settings.lacking)
        connections, _ = await anyio.to_thread.run_sync(self._load)
        from bridge_mcp.channels.telegram.receive.files import fetch

        async with connections.open():
            return await fetch(connections, attachment, most)

    def health(self) -> ChannelHealth:
        """See `ports.Channel`."""
        return self._health.health

    def _load_session(self) -> tuple[BotConnections, type[Session]]:
        """As `_load`, with the receiving half's classes."""
        from bridge_mcp.channels.telegram.receive.session import Session

        return self._load()[0], Session

    def _load(self) -> tuple[BotConnections, Sender]:
        """The parts that need the library, loaded once; slow the first time."""
        with self._loading:
            if self._connections is None or self._sender is None:
                from bridge_mcp.channels.telegram.bot.connections import BotConnections
                from bridge_mcp.channels.telegram.send.sender import Sender

                unset = replace(self._settings, token=NO_TOKEN)
                self._connections = BotConnections(self._settings if self._settings.token else unset)
                pacer = Pacer(self._clock, rates=self._rates)
                self._sender = Sender(self._connections.bot, self._clock, self.traits.name, pacer=pacer)
            return self._connections, self._sender
