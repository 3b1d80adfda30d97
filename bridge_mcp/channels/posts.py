"""Posts that a platform sends to the bridge over HTTP: their bodies, bounded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

__all__ = ["Receive", "read_body"]

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
"""ASGI's way to the parts of a request."""
MAX_BODY = 1024 * 1024
"""Bytes; platforms post events of some kilobytes."""


async def read_body(receive: Receive) -> bytes | None:
    """The body of a request; None where it is too large. It is empty where the platform has hung up."""
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return b""
        body += event.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not event.get("more_body", False):
            return bytes(body)
