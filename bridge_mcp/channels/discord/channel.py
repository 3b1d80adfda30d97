"""The Discord channel as the engine sees it: receiving and sending, put together when they are first needed.

Importing this is cheap: discord.py is loaded when the channel runs, sends, or fetches a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio.to_thread

from bridge_mcp.channels.discord.bot.settings import DiscordSettings, Patience
from bridge_mcp.channels.health import BotHealth
from bridge_mcp.core.capabilities import EVERY_MARKUP
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import ConfigError, FetchFailed, SendFailed
from bridge_mcp.ports import Capabilities, ChannelHealth, ChannelTraits, Clock, Inbox, OutgoingAction, Part

if TYPE_CHECKING:
    from bridge_mcp.channels.discord.loaded import Loaded

__all__ = ["DiscordChannel"]

LACKING_S = 60.0
"""Seconds until a message without a token is tried again; only a restart of the bridge brings a token."""
SETTLES_S = 120.0
"""Discord knows a message again by its nonce for "the past few minutes"; this is surely within them."""


CAN = Capabilities(
    text_chars=2_000,
    markdown=EVERY_MARKUP,
    edits=True,
    reactions=True,
    buttons=25,
    forms=True,
    file_bytes=10 * 1024 * 1024,
    files_in=True,
    albums=True,
    edits_in=True,
    groups=True,
    bots=True,
    threads=True,
    topics=("make", "name", "close"),
    typing=True,
    drafts=True,
    history=True,
    prompts=True,
    settles_s=SETTLES_S,
)
"""What bots can do, by https://discord.com/developers/docs; servers with boosts take larger files."""


class DiscordChannel:
    """A `Channel` for one bot.

    Args:
        settings: how it is reached.
        clock: tells the time.
        commands: name and description of each command that the bridge answers; they become slash commands.
        patience: time-outs and pauses.
    """

    def __init__(
        self,
        settings: DiscordSettings,
        clock: Clock,
        commands: Sequence[tuple[str, str]] = (),
        patience: Patience | None = None,
    ) -> None:
        self.traits = ChannelTraits(settings.name, "discord", can=CAN)
        self._settings, self._clock, self._commands = settings, clock, tuple(commands)
        self._patience = patience or Patience()
        self._health = BotHealth(clock)
        self._loaded: Loaded | None = None

    async def run(self, inbox: Inbox) -> None:
        """See `ports.Channel`."""
        self._health.begin()
        try:
            if self._settings.lacking:
                raise ConfigError(self._settings.lacking)
            loaded = await self._load()
            async with loaded.requests.open():
                await loaded.receive(inbox, self._health, self._commands)
        except ConfigError as exc:
            self._health.end(str(exc))
            raise
        finally:
            self._health.end()

    def parts(self, action: OutgoingAction) -> tuple[Part, ...]:
        """See `ports.Channel`."""
        from bridge_mcp.channels.discord.send.parts import cut

        return cut(action)

    async def send(self, part: Part) -> tuple[str, ...]:
        """See `ports.Channel`."""
        if self._settings.lacking:
            raise SendFailed(self._settings.lacking, retry_after_s=LACKING_S)
        loaded = await self._load()
        async with loaded.requests.open():
            return await loaded.sender.send(part)

    async def show(self, chat: str, draft: int, text: str) -> None:
        """See `ports.Channel`."""
        if self._settings.lacking:
            return
        loaded = await self._load()
        async with loaded.requests.open():
            await loaded.sender.show(chat, draft, text)

    async def fetch(self, attachment: Attachment, most: int) -> bytes:
        """See `ports.Channel`."""
        if self._settings.lacking:
            raise FetchFailed(self._settings.lacking)
        loaded = await self._load()
        async with loaded.requests.open():
            return await loaded.fetch(attachment, most)

    def health(self) -> ChannelHealth:
        """See `ports.Channel`."""
        return self._health.health

    async def _load(self) -> Loaded:
        """The parts that need the library, loaded once, beside the event loop."""
        if self._loaded is None:
            loaded_type = await anyio.to_thread.run_sync(load)
            if self._loaded is None:
                self._loaded = loaded_type(self._settings, self._clock, self._patience)
        return self._loaded


def load() -> type[Loaded]:
    """The class of what needs discord.py."""
    from bridge_mcp.channels.discord.loaded import Loaded

    return Loaded
