"""The Telegram channel: what it can do, and how its bot is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge_mcp.channels.bot_channel import Bot, BotChannel
from bridge_mcp.channels.telegram.bot.settings import Patience, TelegramSettings
from bridge_mcp.channels.telegram.send.rate_limit import Rates
from bridge_mcp.core.capabilities import EVERY_MARKUP
from bridge_mcp.ports import Capabilities, ChannelTraits, Clock

__all__ = ["TelegramChannel"]

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


class TelegramChannel(BotChannel):
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
        def load() -> Callable[[], Bot]:
            from bridge_mcp.channels.telegram.loaded import Loaded

            return lambda: Loaded(settings, clock, commands, patience or Patience(), rates or Rates())

        traits = ChannelTraits(settings.name, "telegram", subjects=SUBJECTS, can=CAN)
        super().__init__(traits, settings.lacking, clock, load)
