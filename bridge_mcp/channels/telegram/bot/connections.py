"""The connections of one bot: one for polls, a pool for all else, open while somebody uses them.

The token is part of every URL of the Bot API. A filter here keeps it out of all logs, and `clean` keeps it out of the
texts of exceptions; the libraries' own exceptions must not leave this package.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from telegram import Bot

from bridge_mcp.channels.telegram.bot.responses import BotRequest
from bridge_mcp.channels.telegram.bot.settings import TelegramSettings
from bridge_mcp.core.safe_text import visible
from bridge_mcp.redaction import Redactor, clean_message

__all__ = ["BotConnections", "QuietBot"]

TALKATIVE = ("httpx", "telegram.Bot", "telegram.request.BaseRequest", "telegram.request.HTTPXRequest")
"""Loggers that print URLs."""

POOL = 64
"""Connections beside the one for polls."""


class QuietBot(Bot):
    """A bot that does not tell its token when it is printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Bot[{self.token.partition(':')[0]}]"


class TokenFilter(logging.Filter):
    """A logging filter that replaces the token in each record, also where the process did not set up redaction."""

    def __init__(self, token: str, redactor: Redactor) -> None:
        super().__init__()
        self._token, self._redactor = token, redactor

    def __eq__(self, other: object) -> bool:
        """Equal filters are added to a logger once."""
        return isinstance(other, TokenFilter) and other._token == self._token

    def __hash__(self) -> int:
        return hash(self._token)

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass every record on, without the token."""
        clean_message(record, self._redactor)
        if record.exc_info and record.exc_info[1] is not None:
            trace = logging.Formatter().formatException(record.exc_info)
            record.exc_text = visible(self._redactor(trace), lines=True)
            record.exc_info = None
        return True


class BotConnections:
    """One bot's connections. Making it is slow (libraries, certificates): do that on a thread."""

    def __init__(self, settings: TelegramSettings) -> None:
        # Opts in to times as timedelta; without it, each 429 logs a deprecation warning.
        os.environ.setdefault("PTB_TIMEDELTA", "true")
        self.settings = settings
        self.clean = Redactor({f"token of {settings.name}": settings.token})
        for name in TALKATIVE:
            logging.getLogger(name).addFilter(TokenFilter(settings.token, self.clean))
        self.certificates = ssl.create_default_context()
        # Two pools, so that a hanging poll takes no connection from a reply, and no burst of replies takes the poll's.
        self._all = self._request(POOL)
        self._polls = self._request(2)
        self.bot = self._bot(self._all)
        """For everything but polls."""
        self.poller = self._bot(self._polls)
        self._users = 0

    def _request(self, size: int) -> BotRequest:
        return BotRequest(
            connection_pool_size=size,
            read_timeout=20,
            write_timeout=20,
            connect_timeout=10,
            pool_timeout=10,
            media_write_timeout=120,
            httpx_kwargs={"verify": self.certificates},
        )

    def _bot(self, request: BotRequest) -> Bot:
        base = self.settings.base_url
        return QuietBot(
            self.settings.token,
            base_url=f"{base}/bot",
            base_file_url=f"{base}/file/bot",
            request=request,
            get_updates_request=request,
        )

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[BotConnections]:
        """Use the connections; the last user to leave closes them."""
        self._users += 1
        try:
            await self._all.initialize()
            await self._polls.initialize()
            yield self
        finally:
            self._users -= 1
            if not self._users:
                with anyio.CancelScope(shield=True):
                    await self._all.shutdown()
                    await self._polls.shutdown()

    async def renew_polls(self) -> None:
        """Drop the connection for polls; the next poll opens a new one."""
        await self._polls.shutdown()
        await self._polls.initialize()
