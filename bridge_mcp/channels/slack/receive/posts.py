"""Events that Slack posts: https://docs.slack.dev/authentication/verifying-requests-from-slack.

The signature is of the raw body and a time that is at most five minutes away; a post that was taken is taken once. 200
is answered once the store has it: Slack posts events again for about an hour otherwise.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, cast
from urllib.parse import parse_qs

from cachetools import TTLCache

from bridge_mcp.channels.posts import Receive, Scope, Send, read_body, respond, serving
from bridge_mcp.channels.slack.settings import Patience, Posts
from bridge_mcp.core.errors import BadJSON, BridgeError
from bridge_mcp.core.json_reader import read_json
from bridge_mcp.ports import Clock

__all__ = ["PostedEvents"]

logger = logging.getLogger(__name__)

Take: TypeAlias = Callable[[str, dict[str, Any]], Awaitable[None]]

WINDOW_S = 300.0
SEEN = 10_000
"""Signatures of the last five minutes that are remembered."""


class PostedEvents:
    """Takes posts while it is open."""

    def __init__(self, posts: Posts, take: Take, bad: Callable[[str], None], clock: Clock, patience: Patience) -> None:
        self._posts, self._take, self._bad, self._clock, self._patience = posts, take, bad, clock, patience
        self._taken: TTLCache[str, None] = TTLCache(SEEN, 2 * WINDOW_S, clock.now)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Listen.

        Raises:
            ConfigError: the address is taken.
        """
        async with serving(self, self._posts.host, self._posts.port, "Choose another listen."):
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "http":
            await respond(send, *await self._answer(scope, receive))

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        """Take one post; the status and the body of the answer. Any path will do: the signature is checked."""
        if scope["method"] != "POST":
            return 405, b""
        headers = {bytes(name).lower(): bytes(value) for name, value in scope["headers"]}
        body = await read_body(receive, self._patience.body)
        if isinstance(body, int):
            return body, b""
        signature = headers.get(b"x-slack-signature", b"").decode("latin-1")
        if not self._is_slack(headers.get(b"x-slack-request-timestamp", b""), body, signature):
            return 401, b""
        if signature in self._taken:
            return 409, b""
        try:
            kind, payload = payload_of(headers.get(b"content-type", b""), body)
        except (BadJSON, ValueError):
            return 400, b""
        if payload.get("type") == "url_verification":
            return 200, str(payload.get("challenge", ""))[:1000].encode()
        self._taken[signature] = None
        try:
            await self._take(kind, payload)
        except BridgeError as exc:
            self._taken.pop(signature, None)
            self._bad(f"What came in could not be stored, and Slack posts it again: {exc}")
            return 503, b""
        return 200, b""

    def _is_slack(self, timestamp: bytes, body: bytes, signature: str) -> bool:
        """Whether Slack signed this body at a time near to now."""
        if not timestamp.isdigit() or len(timestamp) > 12 or abs(self._clock.now() - int(timestamp)) > WINDOW_S:
            return False
        expected = hmac.new(self._posts.secret.encode(), b"v0:" + timestamp + b":" + body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(f"v0={expected}".encode(), signature.encode())


def payload_of(content_type: bytes, body: bytes) -> tuple[str, dict[str, Any]]:
    """The kind of a post, as envelopes of Socket Mode name it, and what it tells.

    Raises:
        BadJSON: it is not JSON where that is wanted.
        ValueError: it is something else.
    """
    if content_type.startswith(b"application/x-www-form-urlencoded"):
        fields = {name: values[0] for name, values in parse_qs(body.decode(), max_num_fields=100).items()}
        if "payload" not in fields:
            return "slash_commands", dict(fields)
        kind, value = "interactive", read_json(fields["payload"].encode(), odd="mend")
    else:
        kind, value = "events_api", read_json(body, odd="mend")
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return kind, cast("dict[str, Any]", value)
