"""One run of receiving: `getMe`, the list of commands, and then polls or a webhook."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import anyio
from telegram import WebhookInfo
from telegram.error import TelegramError

from bridge_mcp.channels.health import BotHealth
from bridge_mcp.channels.telegram.bot.connections import BotConnections
from bridge_mcp.channels.telegram.bot.responses import fitting
from bridge_mcp.channels.telegram.bot.settings import Patience, site_of
from bridge_mcp.channels.telegram.receive.mentions import Account
from bridge_mcp.channels.telegram.receive.polling import Polling
from bridge_mcp.channels.telegram.receive.receiver import Receiver
from bridge_mcp.channels.telegram.receive.retry import Retry
from bridge_mcp.core.errors import ConfigError
from bridge_mcp.ports import Clock, Inbox

__all__ = ["PRIVACY", "Session"]

logger = logging.getLogger(__name__)

PRIVACY = (
    "Privacy mode is on: in groups the bot gets only commands, mentions and replies, whatever `groups` says. Turn it "
    "off with @BotFather (/setprivacy, Disable), then remove the bot from each group and add it again; or make it an "
    "administrator there."
)


class Session:
    """One run of receiving.

    Args:
        connections: the bot's connections, open.
        health: is updated at each success and error.
        clock: dates updates that carry no time.
        commands: name and description of each command.
        patience: time-outs and pauses.
    """

    def __init__(
        self,
        connections: BotConnections,
        health: BotHealth,
        clock: Clock,
        commands: Sequence[tuple[str, str]],
        patience: Patience,
    ) -> None:
        self._connections, self._health, self._clock, self._patience = connections, health, clock, patience
        self._commands = commands
        self._settings = connections.settings
        self._retry = Retry(connections, health, patience)

    async def run(self, inbox: Inbox) -> None:
        """Until cancelled.

        Raises:
            ConfigError: it can never work as it is configured.
        """
        me = await self._retry.until_answered(self._connections.bot.get_me)
        hints = [PRIVACY] if self._settings.hears_all and not me.can_read_all_group_messages else []
        if self._settings.webhook is None:
            hints += await self._retry.until_answered(self._without_webhook)
        self._health.met(f"@{me.username}", tuple(hints))
        logger.info("channel %s: connected as @%s (%d)", self._settings.name, me.username, me.id)
        failure: ConfigError | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._show_commands)
            names = frozenset(name for name, _ in self._commands)
            direct = self._settings.direct_messages
            account = Account(me.id, me.username or "", names, direct_messages=direct)
            receiver = Receiver(self._connections, inbox, account, self._clock, tasks)
            try:
                await self._receive(inbox, receiver)
            except ConfigError as exc:  # not wrapped into a group: the engine reads it
                failure = exc
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _receive(self, inbox: Inbox, receiver: Receiver) -> None:
        if self._settings.webhook is not None:
            # Polls need no HTTP server; loading one while tool servers load theirs on another thread can fail.
            from bridge_mcp.channels.telegram.receive.webhook import WebhookReceiver

            await WebhookReceiver(
                self._connections, self._settings.webhook, receiver, self._retry, self._patience
            ).run()
        else:
            await Polling(self._connections, inbox, receiver, self._retry, self._patience).run()

    async def _without_webhook(self) -> list[str]:
        """`deleteWebhook`, which would keep polls from working; pending updates stay, and come by the polls."""
        info: WebhookInfo = await self._connections.bot.get_webhook_info()
        if not info.url:
            return []
        await self._connections.bot.delete_webhook(drop_pending_updates=False)
        hint = (
            f"A webhook at {site_of(info.url)} was set for this bot, and was removed, because this channel polls. If "
            "another program needs it, give one of the two a bot of its own (@BotFather, /newbot)."
        )
        logger.warning("channel %s: %s", self._settings.name, hint)
        return [hint]

    async def _show_commands(self) -> None:
        """`setMyCommands`: Telegram's menu of commands. Failure is harmless."""
        if not self._commands:
            return
        try:
            await fitting(self._connections.bot.set_my_commands(self._commands))
        except TelegramError as exc:
            why = self._connections.clean(exc.message)
            logger.warning("channel %s: its commands could not be shown: %s", self._settings.name, why)
