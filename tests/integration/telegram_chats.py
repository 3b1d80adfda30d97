"""A sender with the real python-telegram-bot on the loopback Telegram, and people to write to."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from telegram import Bot

from bridge_mcp.channels.telegram.bot.responses import BotRequest
from bridge_mcp.channels.telegram.send.rate_limit import Pacer, Rates
from bridge_mcp.channels.telegram.send.sender import Sender
from bridge_mcp.ports import OutgoingAction
from bridge_mcp.testing import ManualClock
from tests.servers.telegram import Chat, Message, TelegramServer, User

__all__ = ["AT_ONCE", "Rig", "rig"]

AT_ONCE = Rates(in_all=10_000, chat_s=0.001, chat_burst=1000, group=10_000)
"""No pace at all."""


@dataclass
class Rig:
    """Everything a test needs. `alice` has written to the bot, `group` is a basic group with both."""

    server: TelegramServer
    bot: Bot
    clock: ManualClock
    sender: Sender
    alice: User
    group: Chat

    async def send(self, action: OutgoingAction) -> list[str]:
        """All parts of an action; the ids of what came of it."""
        sent: list[str] = []
        for part in self.sender.parts(action):
            sent += await self.sender.send(part)
        return sent

    @property
    def dm(self) -> str:
        return str(self.alice.id)

    @property
    def messages(self) -> list[Message]:
        """What the bot has standing in the private chat."""
        return self.alice.dm.bot_messages

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.messages]


@contextlib.asynccontextmanager
async def rig(server: TelegramServer, *, rates: Rates = AT_ONCE, read_timeout: float = 5.0) -> AsyncGenerator[Rig]:
    """A server's bot, its sender, and people who know it."""
    clock = ManualClock()

    async def sleep(seconds: float) -> None:
        clock.advance(seconds)

    # Without certificates: to read them takes longer than most tests.
    plain = {"verify": False}
    request = BotRequest(connection_pool_size=16, read_timeout=read_timeout, pool_timeout=0.2, httpx_kwargs=plain)
    polling = BotRequest(httpx_kwargs=plain)
    bot = Bot(server.token, server.base_url, server.base_file_url, request, polling)
    async with bot:
        alice = server.user("Alice")
        await alice.sends(alice.dm, "/start")
        group = server.group("Friends", [alice])
        sender = Sender(bot, clock, "family", pacer=Pacer(clock, rates=rates, sleep=sleep))
        yield Rig(server, bot, clock, sender=sender, alice=alice, group=group)
