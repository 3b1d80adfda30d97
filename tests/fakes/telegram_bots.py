"""The real python-telegram-bot against the server on loopback."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any

import pytest
from telegram import Bot, Update
from telegram.error import BadRequest, TelegramError
from telegram.ext import Application
from telegram.request import HTTPXRequest

from tests.servers.telegram import TelegramServer

__all__ = ["AnyApplication", "application", "bot_on", "raw", "received", "refused"]

AnyApplication = Application[Any, Any, Any, Any, Any, Any]


@contextlib.asynccontextmanager
async def bot_on(server: TelegramServer, token: str | None = None) -> AsyncGenerator[Bot]:
    """A bot that talks to the server."""
    bot = Bot(
        token or server.token,
        base_url=server.base_url,
        base_file_url=server.base_file_url,
        request=HTTPXRequest(connection_pool_size=64, read_timeout=5),
    )
    async with bot:
        yield bot


def application(server: TelegramServer) -> AnyApplication:
    """An application whose bot talks to the server."""
    builder = Application.builder().token(server.token)
    return builder.base_url(server.base_url).base_file_url(server.base_file_url).build()


async def received(bot: Bot, count: int = 1, allowed: Sequence[str] | None = None) -> list[Update]:
    """The next updates, confirmed."""
    found: list[Update] = []
    offset = None
    while len(found) < count:
        page = await bot.get_updates(offset=offset, timeout=5, allowed_updates=allowed)
        assert page, f"only {len(found)} of {count} updates came"
        found += page
        offset = page[-1].update_id + 1
    await bot.get_updates(offset=offset, timeout=0)
    return found


async def raw(bot: Bot, method: str, **parameters: Any) -> Any:
    """A method by its name, with any parameters: what a client that checks nothing would send."""
    # In lower case, because the library refuses names it has methods of its own for.
    return await bot.do_api_request(method.lower(), api_kwargs=parameters)


@contextlib.contextmanager
def refused(server: TelegramServer, text: str, kind: type[TelegramError] = BadRequest) -> Generator[None]:
    """The request inside is refused with exactly this text, and the library makes this error of it."""
    before = len(server.requests)
    with pytest.raises(kind):
        yield
    assert [one.description for one in server.requests[before:]] == [text]
