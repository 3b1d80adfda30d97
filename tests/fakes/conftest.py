"""A Bot API on loopback, and a bot on it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from telegram import Bot

from tests.fakes.telegram_bots import bot_on
from tests.servers.telegram import TelegramServer


@pytest.fixture
async def server() -> AsyncGenerator[TelegramServer]:
    async with TelegramServer() as made:
        yield made


@pytest.fixture
async def bot(server: TelegramServer) -> AsyncGenerator[Bot]:
    async with bot_on(server) as made:
        yield made
