"""Socket Mode: several connections side by side, so that events come over one while another is renewed.

https://docs.slack.dev/apis/events-api/using-socket-mode: each envelope goes to one of them, by chance, and is
acknowledged by its id. Here that is done once the store has it; Slack sends events again that it was not told of.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import anyio
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from bridge_mcp.channels.slack.web import SDK, SlackWeb
from bridge_mcp.core.errors import BridgeError

__all__ = ["Sockets"]

logger = logging.getLogger(__name__)

CLOSE_S = 2.0
"""Slack may not answer the end of a connection."""

Take = Callable[[str, dict[str, Any]], Awaitable[None]]


class Sockets:
    """The connections of one app."""

    def __init__(self, web: SlackWeb, take: Take, bad: Callable[[str], None]) -> None:
        self._web, self._take, self._bad = web, take, bad
        self._clients: list[SocketModeClient] = []

    async def open(self, urls: list[str], stack: AsyncExitStack) -> None:
        """Connect to each address; all are closed with the stack."""
        for url in urls:
            client = SocketModeClient(
                self._web.settings.app_token,
                SDK,
                self._web.client,
                ping_interval=self._web.patience.ping,
                on_close_listeners=[],
            )
            stack.push_async_callback(closed, client)
            client.socket_mode_request_listeners.append(self._on_request)
            client.wss_uri = url
            self._clients.append(client)
            await client.connect()

    async def alive(self) -> int:
        """How many connections work just now."""
        return sum([await each.is_connected() for each in self._clients])

    async def _on_request(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        """Store an envelope, then acknowledge it."""
        try:
            await self._take(request.type, dict[str, Any](request.payload))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        except BridgeError as exc:
            self._bad(f"What came in could not be stored, and Slack sends it again: {exc}")
            return
        try:
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        except (ConnectionError, aiohttp.ClientError, AttributeError) as exc:
            logger.info("an envelope was not acknowledged (%s): Slack sends it again", type(exc).__name__)


async def closed(client: SocketModeClient) -> None:
    """Close a connection, also where all of this is being cancelled."""
    with anyio.move_on_after(CLOSE_S, shield=True):
        await client.close()
