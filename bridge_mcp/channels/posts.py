"""Posts that a platform sends to the bridge over HTTP: where they are taken, their bodies (bounded), and the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import anyio

from bridge_mcp.listening import Server, configured, listening

__all__ = ["Receive", "Scope", "Send", "read_body", "respond", "serving"]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
"""ASGI's way to the parts of a request."""
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY = 1024 * 1024
"""Bytes; platforms post events of some kilobytes."""
LEAVE_S = 1
"""Seconds that open requests have when the channel ends."""


@asynccontextmanager
async def serving(
    app: Callable[[Scope, Receive, Send], Awaitable[None]], host: str, port: int, fix: str
) -> AsyncGenerator[None]:
    """Serve an ASGI application at this address.

    Raises:
        ConfigError: the address is taken; `fix` is the next move.
    """
    with listening(host, port, fix) as listener:
        server = Server(configured(app, LEAVE_S))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield
        finally:
            server.should_exit = True
            with anyio.CancelScope(shield=True):
                await task


async def read_body(receive: Receive, within_s: float) -> bytes | int:
    """The body of a request, empty where the platform has hung up; or the status: 408 too slow, 413 too large."""
    body = bytearray()
    with anyio.move_on_after(within_s):
        while True:
            event = await receive()
            if event["type"] != "http.request":
                return b""
            body += event.get("body", b"")
            if len(body) > MAX_BODY:
                return 413
            if not event.get("more_body", False):
                return bytes(body)
    return 408


async def respond(send: Send, status: int, body: bytes = b"") -> None:
    """Answer a request."""
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
