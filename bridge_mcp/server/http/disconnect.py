"""Clients that disconnect: in the newer era, closing the response of a request cancels it.

In the older era a broken connection cancels nothing; `notifications/cancelled` does.
"""

from __future__ import annotations

from typing import Any

from mcp.server.context import ServerRequestContext
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["DisconnectMiddleware", "hung_up"]

HUNG_UP = "bridge_mcp.hung_up"


class DisconnectMiddleware:
    """ASGI middleware: notes in a request's scope that its client has disconnected, unless serving ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""

        async def receive_and_note() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                scope[HUNG_UP] = True
            return message

        await self._app(scope, receive_and_note, send)


def hung_up(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether the client has cancelled this request by closing its response."""
    request: object = ctx.request
    return (
        ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        and isinstance(request, HTTPConnection)
        and bool(request.scope.get(HUNG_UP))
    )
