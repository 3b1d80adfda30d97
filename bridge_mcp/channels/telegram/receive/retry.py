"""Retries of requests while receiving, by polls or a webhook: log the error once, pause, ask again.

A wrong token ends receiving. A 429 pauses for its `retry_after`; other errors pause by exponential back-off, which
starts higher for a 409 Conflict (another poller with the same token).
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from bridge_mcp.channels.health import BotHealth
from bridge_mcp.channels.telegram.bot.connections import BotConnections
from bridge_mcp.channels.telegram.bot.responses import fitting, retry_after_s
from bridge_mcp.channels.telegram.bot.settings import Patience
from bridge_mcp.channels.telegram.receive.errors import explained, refused
from bridge_mcp.core.backoff import Backoff
from bridge_mcp.core.errors import BridgeError

__all__ = ["Retry"]

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Retry:
    """The back-off of one run of receiving; updates the channel's health.

    Args:
        connections: the bot's connections, open.
        health: is updated at each success and error.
        patience: time-outs and pauses.
    """

    def __init__(self, connections: BotConnections, health: BotHealth, patience: Patience) -> None:
        self._connections, self._health, self._patience = connections, health, patience
        self._settings = connections.settings
        self._backoff = Backoff(patience.first, patience.most, jitter)
        self._conflicts = Backoff(patience.first_conflict, patience.most_conflict, jitter)
        self._conflict_at = 0.0

    async def until_answered(
        self, request: Callable[[], Awaitable[T]], final: tuple[type[TelegramError], ...] = ()
    ) -> T:
        """The result of a request, retried until there is one. Errors of the kinds in `final` are raised as they are.

        Raises:
            ConfigError: the token is wrong.
        """
        while True:
            try:
                answer = await fitting(request())
            except final:
                raise
            except TelegramError as exc:
                await self.after(exc)
            else:
                self._backoff.reset()
                return answer

    async def after(self, error: TelegramError | TimeoutError | BridgeError) -> None:
        """Log the error, and pause.

        Raises:
            ConfigError: the token is wrong.
        """
        self.bad(self.meaning(error))
        await anyio.sleep(self._pause_s(error))

    def meaning(self, error: TelegramError | TimeoutError | BridgeError) -> str:
        """What an error means, and the fix.

        Raises:
            ConfigError: the token is wrong.
        """
        if isinstance(error, BridgeError):
            return f"What came in could not be stored, and stays with Telegram: {error}"
        if isinstance(error, InvalidToken):
            raise refused(self._settings.name, self._settings.own_server) from None
        return explained(error, self._settings.base_url, self._connections.clean)

    def bad(self, problem: str) -> None:
        """Receiving does not work at the moment; the same error is logged once."""
        if problem != self._health.health.error:
            logger.warning("channel %s: %s", self._settings.name, problem)
        self._health.bad(problem)

    def good(self) -> float:
        """A request succeeded: reset the back-off, unless there was a conflict lately. Returns the time of it."""
        self._backoff.reset()
        if time.monotonic() - self._conflict_at > self._patience.peace:
            self._conflicts.reset()
        self._health.good()
        return self._health.health.last_ok

    def _pause_s(self, error: TelegramError | TimeoutError | BridgeError) -> float:
        match error:
            case RetryAfter():
                return retry_after_s(error)
            case Conflict():
                # Each poll ends the other poller's: to ask again at once would go on for ever.
                self._conflict_at = time.monotonic()
                return self._conflicts.next()
            case TimeoutError() if not self._backoff.failures:
                return 0.0  # a time-out has waited long enough already
            case _:
                return self._backoff.next()


def jitter() -> float:
    return random.uniform(0.8, 1.0)
