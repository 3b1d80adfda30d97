"""The real discord.py, unmodified, against the server on loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator

import discord
import pytest
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.servers.discord import DiscordServer

__all__ = ["Recorder", "bot_on", "refused", "served"]


class Recorder(discord.Client):
    """A client that keeps what it is told."""

    def __init__(self, intents: discord.Intents) -> None:
        super().__init__(intents=intents, max_messages=100, guild_ready_timeout=0.02)
        self.heard: asyncio.Queue[discord.Message] = asyncio.Queue()
        self.edited: asyncio.Queue[discord.RawMessageUpdateEvent] = asyncio.Queue()
        self.reactions: asyncio.Queue[discord.RawReactionActionEvent] = asyncio.Queue()
        self.interactions: asyncio.Queue[discord.Interaction] = asyncio.Queue()
        self.is_up = asyncio.Event()

    async def on_message(self, message: discord.Message) -> None:
        if message.author != self.user:
            await self.heard.put(message)

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        await self.edited.put(payload)

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        await self.reactions.put(payload)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        await self.interactions.put(interaction)

    async def on_ready(self) -> None:
        self.is_up.set()


@contextlib.contextmanager
def served(server: DiscordServer) -> Generator[None]:
    """Point the library to the server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Route, "BASE", server.api_url)
        patch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(server.gateway.url))
        yield


@contextlib.asynccontextmanager
async def bot_on(
    server: DiscordServer, intents: discord.Intents | None = None, token: str = ""
) -> AsyncGenerator[Recorder]:
    """A bot that is connected, until the end."""
    wanted = intents if intents is not None else discord.Intents(guilds=True, guild_messages=True, dm_messages=True)
    client = Recorder(wanted)
    with served(server):
        async with client:
            running = asyncio.create_task(client.start(token or server.token))
            try:
                ready = asyncio.create_task(client.is_up.wait())
                await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
                ready.cancel()
                if running.done():
                    await running
                yield client
            finally:
                await client.close()
                await asyncio.gather(running, return_exceptions=True)


@contextlib.contextmanager
def refused(status: int, code: int) -> Generator[None]:
    """The request inside is refused with this status and code."""
    with pytest.raises(discord.HTTPException) as found:
        yield
    assert (found.value.status, found.value.code) == (status, code)
