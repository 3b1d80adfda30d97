"""Discord as a type of channel: the keys of its sections, and their reading. Loads nothing of discord.py."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import Literal

from bridge_mcp.channels.discord.bot.invitation import steps
from bridge_mcp.channels.discord.bot.settings import DiscordSettings
from bridge_mcp.channels.discord.channel import DiscordChannel
from bridge_mcp.channels.plug import ChannelType, Found, Given, KeyReader, PlatformKeys, Text
from bridge_mcp.ports import Clock

__all__ = ["TYPE", "DiscordKeys"]

TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
CHAT = re.compile(r"[0-9]{1,20}(/[0-9]{1,20})?")


class DiscordKeys(PlatformKeys):
    """[channels.NAME] of type "discord": a Discord bot."""

    token_env: Text | None = None
    """The variable that holds the bot's token."""
    token_file: Text | None = None
    """The file that holds the bot's token."""
    api_base_url: Text | None = None
    """A server that stands in for Discord's API, with the version in its path; without it: Discord's."""
    stream: bool = True
    """Whether a reply is shown while it grows, in a message that is edited."""
    updates: list[Literal["message_reaction"]] = []
    """What else people do that becomes an event."""


def check(section: DiscordKeys, keys: KeyReader) -> DiscordSettings:
    """One bot's settings."""
    if find_spec("discord") is None:
        fix = "Install the bridge with its extra, as '.[discord]' in the clone."
        keys.problem("", "a discord channel needs the package discord.py, which is not installed.", fix)
    keys.web_address("api_base_url", section.api_base_url)
    for chat in section.chats:
        if not CHAT.fullmatch(chat):
            keys.problem(f'chats."{chat}"', "this is not a channel's id.", "Write its number, as /whoami says it.")
    modes = [section.groups, *(each.groups for each in section.chats.values())]
    return DiscordSettings(
        name=keys.name,
        token=token(section, keys),
        api_base_url=section.api_base_url or "",
        hears_all=any(mode not in ("mention", None) for mode in modes),
        stream=section.stream,
        reactions="message_reaction" in section.updates,
        chats=tuple(dict.fromkeys(chat.partition("/")[0] for chat in section.chats)),
        lacking=keys.lacking(),
    )


def token(section: DiscordKeys, keys: KeyReader) -> str:
    """The bot's token: there, of the right form, and no other channel's."""
    value = keys.secret("token")
    if not (section.token_env or section.token_file):
        fix = 'Add token_env = "DISCORD_BOT_TOKEN" and set that variable.'
        keys.problem("", "a discord channel needs a token.", fix)
    elif value and not TOKEN.fullmatch(value):
        fix = "Copy it from discord.com/developers/applications, Bot; it has three parts with dots between them."
        keys.problem("token", "this is not a bot's token.", fix)
    elif value and (holder := keys.holder(value)):
        keys.problem("token", f"{holder} has the same token.", "Give each channel a bot of its own.")
    return value


def make(settings: DiscordSettings, given: Given) -> DiscordChannel:
    """The channel of one bot."""
    return DiscordChannel(settings, given.clock, given.commands)


def probe(settings: DiscordSettings, clock: Clock) -> AsyncIterator[Found]:
    """What Discord says of the bot, by the module that needs the library."""
    from bridge_mcp.channels.discord.bot.probe import probe as probed

    return probed(settings)


TEMPLATE = """\
# [channels.guild]                        # bridge-mcp init discord says what to do at Discord
# type = "discord"
# token_env = "DISCORD_BOT_TOKEN"
# groups = "mention"                       # in channels, answer what is meant for the bot; or always, observe
# stream = true                            # show a reply while it grows
# updates = ["message_reaction"]           # events of people who react
# [channels.guild.chats."123456789012345678"]   # one channel, or one thread of it ("CHANNEL/THREAD")
# groups = "always"
"""

TYPE = ChannelType(
    DiscordKeys, check, make, probe=probe, template=TEMPLATE, setup=steps, loggers=("discord",), user_id=r"[0-9]{1,20}"
)
"""The library's log tells the ids of sessions, and with debug logs whole messages: hence `loggers`."""
