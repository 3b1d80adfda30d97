"""The Discord channel on the loopback Discord, without the pauses that an owner would wait for."""

from __future__ import annotations

import anyio

from bridge_mcp.channels.discord.bot.settings import DiscordSettings, Patience
from bridge_mcp.channels.discord.channel import DiscordChannel
from bridge_mcp.operations.commands import COMMANDS
from bridge_mcp.ports import Channel, Clock, Outgoing
from bridge_mcp.testing.channel_contract import KeptInbox as Box
from tests.servers.discord import DiscordServer

__all__ = ["QUICK", "Box", "channel_on", "ready", "send", "settings_on"]

QUICK = Patience(first=0.02, most=0.05, identify=0.02, guilds=2.0, request=5.0, again=0.02, draft=0.05)


def settings_on(server: DiscordServer, name: str = "family", **changes: object) -> DiscordSettings:
    """The settings of a channel on a server."""
    return DiscordSettings(name, server.token, server.api_url, **changes)  # pyright: ignore[reportArgumentType]


def channel_on(server: DiscordServer, clock: Clock, name: str = "family", **changes: object) -> DiscordChannel:
    """A channel on a server."""
    commands = tuple((each, command.about) for each, command in COMMANDS.items())
    return DiscordChannel(settings_on(server, name, **changes), clock, commands, QUICK)


async def send(channel: Channel, text: str, chat: str) -> tuple[str, ...]:
    """A short message."""
    (part,) = channel.parts(Outgoing(chat, text))
    return await channel.send(part)


async def ready(channel: Channel) -> None:
    """Wait until it says that it is."""
    while channel.health().state != "ready":  # noqa: ASYNC110  a channel's health is no event
        await anyio.sleep(0.002)
