"""Accounts of people who connected the bot to their own chats (Telegram Business): whose each connection is.

https://core.telegram.org/bots/api#businessconnection. Messages name a connection, and not whose it is: that is asked
for once, where no update has told it to this run.
"""

from __future__ import annotations

import logging

from cachetools import LRUCache
from telegram import BusinessConnection
from telegram.error import BadRequest, RetryAfter, TelegramError

from bridge_mcp.channels.telegram.bot.connections import BotConnections
from bridge_mcp.channels.telegram.bot.responses import fitting
from bridge_mcp.channels.telegram.receive.updates import BUSINESS, connected
from bridge_mcp.core.errors import FetchFailed
from bridge_mcp.ports import Connected

__all__ = ["Accounts"]

logger = logging.getLogger(__name__)

REMEMBERED = 1024
MAY_NOT = (
    "channel %s: %s lets the bot read chats and not write in them: messages there will fail. They can change that in "
    "Telegram, in the settings of their account."
)


class Accounts:
    """The connections that this run knows."""

    def __init__(self, connections: BotConnections) -> None:
        self._connections, self._name = connections, connections.settings.name
        self._known: LRUCache[str, BusinessConnection] = LRUCache(REMEMBERED)

    def met(self, connection: BusinessConnection) -> None:
        """An update told of a connection: it is new, has other rights, or has ended."""
        self._known[connection.id] = connection
        if not connection.is_enabled:
            logger.warning("channel %s: %s disconnected the bot", self._name, connection.user.full_name)
        elif not (connection.rights and connection.rights.can_reply):
            logger.warning(MAY_NOT, self._name, connection.user.full_name)

    def owner_chat(self, account: Connected) -> int:
        """The chat of the bot with the owner of an account."""
        return self._known[account.to.removeprefix(BUSINESS)].user_chat_id

    async def unknown(self, chat: str) -> Connected | None:
        """The account that a chat is of, where this run has not met it; None where it has, or where it is of none.

        Raises:
            FetchFailed: Telegram did not tell whose it is.
            BadRequest: there is no such connection.
        """
        number = chat.removeprefix(BUSINESS).partition("/")[0]
        if not chat.startswith(BUSINESS) or number in self._known:
            return None
        try:
            connection = await fitting(self._connections.bot.get_business_connection(number))
        except BadRequest:
            raise
        except (RetryAfter, TelegramError) as exc:
            why = self._connections.clean(exc.message)
            raise FetchFailed(f"Telegram did not say whose account a message is of: {why}") from None
        self.met(connection)
        return connected(connection, self._name, None)
