"""Receives updates by a webhook: answers 200 only once an update is stored, so that Telegram posts it again otherwise.

https://core.telegram.org/bots/api#setwebhook. No offset is kept here: Telegram may post out of order, and an offset
beyond an update that is still to come would lose that update once the bridge polls again.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from typing import Any, cast

import anyio
from telegram import WebhookInfo
from telegram.error import BadRequest, TelegramError

from bridge_mcp.channels.posts import Receive, Scope, Send, read_body, respond, serving
from bridge_mcp.channels.telegram.bot.connections import BotConnections
from bridge_mcp.channels.telegram.bot.responses import fitting
from bridge_mcp.channels.telegram.bot.settings import Patience, Webhook, site_of
from bridge_mcp.channels.telegram.receive.receiver import Receiver
from bridge_mcp.channels.telegram.receive.retry import Retry
from bridge_mcp.core.errors import BadJSON, BridgeError, ConfigError
from bridge_mcp.core.json_reader import read_json

__all__ = ["WebhookReceiver"]

logger = logging.getLogger(__name__)


SECRET_HEADER = b"x-telegram-bot-api-secret-token"


class WebhookReceiver:
    """Takes posts until cancelled, and checks regularly that Telegram still posts here.

    Args:
        connections: the bot's connections, open.
        webhook: where Telegram posts and where we listen.
        receiver: where updates go.
        retry: what to do when a request fails.
        patience: time-outs and pauses.
    """

    def __init__(
        self, connections: BotConnections, webhook: Webhook, receiver: Receiver, retry: Retry, patience: Patience
    ) -> None:
        self._connections, self._webhook, self._receiver = connections, webhook, receiver
        self._retry, self._patience = retry, patience
        self._name = connections.settings.name
        self._secret = webhook.secret or secrets.token_urlsafe(32)
        self._one_by_one = anyio.Lock()
        self._posted_at = 0.0
        """When a post was last stored; at first, when the webhook was set."""

    async def run(self) -> None:
        """Until cancelled.

        Raises:
            ConfigError: the address is taken, Telegram refuses the webhook, or the token was revoked.
        """
        async with serving(self, self._webhook.host, self._webhook.port, "Choose another webhook_listen."):
            await self._announce()
            await self._watch()

    async def _announce(self) -> None:
        """`setWebhook`, pending updates first."""
        try:
            await self._retry.until_answered(self._set, final=(BadRequest,))
        except BadRequest as exc:
            raise ConfigError(
                f"channels.{self._name}.webhook_url: Telegram does not take it: "
                f"{self._connections.clean(exc.message)}.",
                fix="It wants HTTPS with a valid certificate, on port 443, 80, 88 or 8443.",
            ) from None
        self._went_well()

    async def _set(self) -> bool:
        return await self._connections.bot.set_webhook(
            self._webhook.url,
            allowed_updates=self._connections.settings.kinds,
            secret_token=self._secret,
            drop_pending_updates=False,
        )

    async def _watch(self) -> None:
        """Check `getWebhookInfo` regularly."""
        while True:
            await anyio.sleep(self._patience.webhook_look)
            try:
                problem = self._problem(await fitting(self._connections.bot.get_webhook_info()))
            except TelegramError as exc:
                problem = self._retry.meaning(exc)
            if problem:
                self._retry.bad(problem)
            else:
                self._retry.good()

    def _problem(self, info: WebhookInfo) -> str:
        """The problem with the webhook that Telegram reports; "" for none."""
        if info.url != self._webhook.url:
            whose = f"another one, at {site_of(info.url)}," if info.url else "none"
            return (
                f"Telegram has {whose} in place of this channel's webhook: another program uses this bot's token. Stop "
                "it, or give one of the two a bot of its own (@BotFather, /newbot); starting the bridge again takes "
                "the webhook back."
            )
        failed_at = info.last_error_date.timestamp() if info.last_error_date else 0.0
        if info.pending_update_count and failed_at >= int(self._posted_at):
            why = self._connections.clean(info.last_error_message or "no reason given")
            return (
                f"Telegram cannot post to the webhook: {why}. "
                f"Mind what stands in front of {self._webhook.host}:{self._webhook.port}: its certificate, its "
                "forwarding, its firewall."
            )
        return ""

    # -- a post ------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "http":
            await respond(send, await self._status(scope, receive))

    async def _status(self, scope: Scope, receive: Receive) -> int:
        """Store one post and return its HTTP status. Any path will do: the secret token is checked instead."""
        if scope["method"] != "POST":
            return 405
        token = next((value for name, value in scope["headers"] if name == SECRET_HEADER), b"")
        if not hmac.compare_digest(token, self._secret.encode()):
            return 403
        body = await read_body(receive, self._patience.webhook_body)
        if isinstance(body, int):
            return body
        try:
            raw = read_json(body, odd="mend")
        except BadJSON:
            return 400
        if not isinstance(raw, dict) or not isinstance(raw.get("update_id"), int):
            return 400
        return await self._take(cast("dict[str, Any]", raw))

    async def _take(self, raw: dict[str, Any]) -> int:
        reading = self._receiver.read(raw)
        try:
            async with self._one_by_one:
                await self._receiver.take(reading, None)
        except BridgeError as exc:
            self._retry.bad(self._retry.meaning(exc))
            return 503
        self._went_well()
        return 200

    def _went_well(self) -> None:
        self._posted_at = self._retry.good()
