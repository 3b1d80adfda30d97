"""The Discord channel: what it can do, and how its bot is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge_mcp.channels.bot_channel import Bot, BotChannel
from bridge_mcp.channels.discord.bot.settings import DiscordSettings, Patience
from bridge_mcp.core.capabilities import EVERY_MARKUP
from bridge_mcp.ports import Capabilities, ChannelTraits, Clock

__all__ = ["DiscordChannel"]

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


class DiscordChannel(BotChannel):
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
        def load() -> Callable[[], Bot]:
            from bridge_mcp.channels.discord.loaded import Loaded

            return lambda: Loaded(settings, clock, commands, patience or Patience())

        super().__init__(ChannelTraits(settings.name, "discord", can=CAN), settings.lacking, clock, load)
