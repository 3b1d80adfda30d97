"""The platforms of the suite."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tests.channels.discord_platform import discord
from tests.channels.local_platform import local
from tests.channels.matrix_platform import matrix
from tests.channels.platforms import Platform
from tests.channels.slack_platform import slack
from tests.channels.telegram_platform import telegram

PLATFORMS: list[Callable[[], AbstractAsyncContextManager[Platform]]] = [telegram, slack, discord, local, matrix]


@pytest.fixture(params=PLATFORMS, ids=lambda each: each.__name__)
async def platform(request: pytest.FixtureRequest) -> AsyncGenerator[Platform]:
    async with request.param() as made:
        yield made
