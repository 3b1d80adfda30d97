"""The public suite of channels (`bridge_mcp.testing.channel_contract`), on every channel that comes with the bridge."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from bridge_mcp.assembly import WallClock
from bridge_mcp.channels.discord.bot.settings import DiscordSettings
from bridge_mcp.channels.discord.channel import DiscordChannel
from bridge_mcp.channels.local import LocalChannel
from bridge_mcp.channels.slack.channel import SlackChannel
from bridge_mcp.channels.slack.settings import Patience, SlackSettings
from bridge_mcp.channels.telegram.bot.settings import TelegramSettings
from bridge_mcp.channels.telegram.channel import TelegramChannel
from bridge_mcp.testing import FakeChannel
from bridge_mcp.testing.channel_contract import ChannelContract, ChannelRig
from tests.channels.slack_platform import SIGNS, SlackPlace
from tests.integration.discord_chats import QUICK
from tests.servers.discord import DiscordServer, buttons
from tests.servers.slack import SlackServer
from tests.servers.telegram import TelegramServer


@asynccontextmanager
async def local() -> AsyncGenerator[ChannelRig]:
    yield ChannelRig(LocalChannel("here"))


@asynccontextmanager
async def fake() -> AsyncGenerator[ChannelRig]:
    channel = FakeChannel("here", settles_s=60.0, topics=("make", "name"))

    def read() -> list[str]:
        return [each.text for each in channel.edited] or [each.text for each in channel.sent]

    yield ChannelRig(
        channel,
        channel.receive,
        read=read,
        reactions=lambda: [each.emoji for each in channel.reacted],
        buttons=lambda: [each.label for each in channel.sent[-1].buttons],
        files=lambda: [file.name for each in channel.sent for file in each.uploads],
    )


@asynccontextmanager
async def telegram() -> AsyncGenerator[ChannelRig]:
    async with TelegramServer(private_topics=True) as server:
        ann = server.user("Ann")
        channel = TelegramChannel(TelegramSettings("here", server.token, server.url), server.clock)
        said = ann.dm
        yield ChannelRig(
            channel,
            lambda text: ann.sends(ann.dm, text),
            chat=str(ann.id),
            read=lambda: [each.text for each in said.bot_messages],
            reactions=lambda: [emoji for each in said.bot_messages for emoji in each.reactions],
            buttons=lambda: [*said.bot_messages[-1].labels],
            files=lambda: [file.name for each in said.bot_messages for file in each.files],
        )


@asynccontextmanager
async def slack() -> AsyncGenerator[ChannelRig]:
    async with SlackServer() as server:
        ann = server.user("Ann")
        place = SlackPlace(server, ann.dm, ann.address)
        settings = SlackSettings("here", server.bot_token, server.app_token, api_base_url=server.url)
        yield ChannelRig(
            SlackChannel(settings, WallClock(), Patience(first=0.01)),
            lambda text: ann.says(ann.dm, text),
            chat=ann.address,
            read=lambda: [SlackPlace.words(each) for each in server.ours(ann.dm)],
            reactions=lambda: [SIGNS[name] for each in server.ours(ann.dm) for name in each.reactions],
            buttons=lambda: [*place.all()[-1].buttons],
            files=lambda: [file for each in place.all() for file in each.files],
        )


@asynccontextmanager
async def discord() -> AsyncGenerator[ChannelRig]:
    async with DiscordServer(limits=False) as server:
        ann = server.user("Ann")
        channel = DiscordChannel(DiscordSettings("here", server.token, server.api_url), WallClock(), (), QUICK)

        yield ChannelRig(
            channel,
            lambda text: ann.sends(ann.dm, text),
            chat=str(ann.id),
            read=lambda: [each.content for each in ann.dm.bot_messages],
            reactions=lambda: [emoji for each in ann.dm.bot_messages for emoji in each.reactions],
            buttons=lambda: buttons(ann.dm.bot_messages[-1]),
            files=lambda: [file.name for each in ann.dm.bot_messages for file in each.files],
            topics_in=str(server.channel(server.guild()).id),
        )


RIGS: list[Callable[[], AbstractAsyncContextManager[ChannelRig]]] = [local, fake, telegram, slack, discord]


class TestChannels(ChannelContract):
    @pytest.fixture(params=RIGS, ids=lambda each: each.__name__)
    async def rig(self, request: pytest.FixtureRequest) -> AsyncGenerator[ChannelRig]:
        async with request.param() as made:
            yield made
