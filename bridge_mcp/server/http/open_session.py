"""One session of the handshake era, as it is open in a process, and what can be told of it without its neighbours."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import anyio
import msgspec
from msgspec import Struct
from starlette.types import Message, Scope, Send

from bridge_mcp.server.http.session_notes import SESSION, ClientMessage, rpc

__all__ = [
    "PASS_S",
    "OpenSession",
    "concerns_others",
    "handshake",
    "hash_session_id",
    "nothing_more",
    "notify",
    "with_session_id",
]

MAX_HANDSHAKE = 16 * 1024
"""Bytes that are kept of what a client says when it opens a session; of a longer one, only the names."""
PASS_S = 5.0
"""How long this process may take to do what a note says."""


class HandshakeParams(Struct, frozen=True, rename="camel"):
    """What a client says when it opens a session."""

    protocol_version: str = ""
    capabilities: dict[str, Any] = {}


@dataclass(eq=False, slots=True)
class OpenSession:
    """A session that is open in this process."""

    id: str
    """In the store."""
    inner: str
    """The SDK's."""
    scope: Scope
    """Of a request of its client, to act as that one."""
    under_way: int = 0
    requests: set[object] = field(default_factory=set[object])
    wanted: set[str] = field(default_factory=set[str])
    """The resources that it subscribes to, as far as this process knows."""
    used: float = 0.0
    """When its use was written down."""
    stream: Send | None = None
    """Sends on the stream by which this process tells its client of changes, while there is one."""


async def notify(session: OpenSession, uri: str) -> None:
    """Tell a session's client that a resource may have changed, on its stream, between two events."""
    if session.stream is not None:
        event = b"event: message\r\ndata: " + rpc("notifications/resources/updated", {"uri": uri}) + b"\r\n\r\n"
        with anyio.move_on_after(PASS_S):
            await session.stream({"type": "http.response.body", "body": event, "more_body": True})


def concerns_others(message: ClientMessage, session: OpenSession) -> bool:
    """Whether a message may be about a request that another process holds."""
    if message.method == "notifications/cancelled":
        return (message.values().request_id,) not in session.requests
    return message.kind == "response"


def handshake(message: ClientMessage) -> str:
    """The parameters of `initialize`, to open a session with again; of very long ones what a session needs."""
    text = bytes(message.params).decode()
    if len(text) <= MAX_HANDSHAKE:
        return text
    handshake_params = msgspec.json.decode(message.params, type=HandshakeParams)
    capabilities = {name[:40]: dict[str, Any]() for name in list(handshake_params.capabilities)[:20]}
    short = {"protocolVersion": handshake_params.protocol_version[:20], "capabilities": capabilities}
    return json.dumps({**short, "clientInfo": {"name": "client", "version": ""}})


def with_session_id(headers: list[tuple[bytes, bytes]], presented: str) -> list[tuple[bytes, bytes]]:
    """The headers of a response, with the id by which the client knows its session."""
    return [(name, presented.encode("latin-1") if name.lower() == SESSION else value) for name, value in headers]


def hash_session_id(presented: str) -> str:
    """The hash of a session's id, by which the store knows it."""
    return sha256(presented.encode("utf-8", "replace")).hexdigest()


async def nothing_more() -> Message:
    """A `receive` for a request that is complete: it never returns."""
    await anyio.sleep_forever()
    raise AssertionError
