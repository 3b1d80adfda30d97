"""MCP over HTTP, Streamable or the older SSE, as transports of the MCP SDK's client.

Its own transports run over an HTTP client of ours: with theirs, a failed request tells neither whether it was sent nor
the HTTP status, and responses above 1 MB are dropped. Here a request fails alone, with what is known of it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import httpx2
from mcp.client.auth import OAuthFlowError
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import JSONRPCError, JSONRPCRequest

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.toolservers.connection import ConnectionHooks
from bridge_mcp.toolservers.message_size import MAX_MESSAGE
from bridge_mcp.toolservers.settings import ToolServer
from bridge_mcp.toolservers.stdio_transport import UNSENT, load, parse
from bridge_mcp.toolservers.tolerant_http import UNREADABLE, EventStream, readable
from bridge_mcp.toolservers.tolerant_session import OutgoingStream, TolerantStream

__all__ = ["BROKE_OFF", "RETURN_S", "TURNED_DOWN", "SseTransport", "WebTransport"]

TURNED_DOWN = -770_002
"""Our own error code: the HTTP status says that the request was refused."""
BROKE_OFF = -770_003
"""Our own error code: the request was sent, and no response came back."""

NEVER_LEFT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
FOR_EVER_S = 10.0 * 365 * 24 * 3600
PACKED = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Headers of the encoded body, which do not fit the decoded one."""
RETURN_S = 0.25
"""The pause before an event stream is opened again, beside the one that its server asks for: `retry` may be 0."""
GOODBYE_S = 2.0
"""The time-out for ending a session (DELETE)."""

Streams: TypeAlias = tuple[TolerantStream, OutgoingStream]


class WebClient(httpx2.AsyncClient):
    """An HTTP client that turns a failed request into a response with a JSON-RPC error, and raises nothing.

    `down` is called, with the reason, when a new connection is needed.
    """

    def __init__(self, server: ToolServer, hooks: ConnectionHooks) -> None:
        # No time-out for reading: a response may take as long as its call may, which the caller limits.
        super().__init__(
            headers=dict(server.headers),
            auth=oauth_for(server, hooks.tokens),
            timeout=httpx2.Timeout(server.connect_timeout_s, read=None),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
        )
        self.down = hooks.down
        self.streamed_before = False
        """Whether an event stream was opened before."""
        self.one_way = server.speaks_sse
        """Whether responses come on another stream: then nobody would answer a request that fails."""

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """Send a request; the class says what a failure becomes."""
        await self.pause_between_streams(request)
        if request.method == "DELETE":
            request.extensions = {**request.extensions, "timeout": httpx2.Timeout(GOODBYE_S).as_dict()}
        try:
            response = await super().send(request, stream=True, **options)
            if not stream or not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
                # Read here, so that a connection that breaks meanwhile fails this request alone.
                response = await read_whole(response)
            elif "content-encoding" not in response.headers and isinstance(response.stream, httpx2.AsyncByteStream):
                response.stream = EventStream(response.stream)
        except NEVER_LEFT as exc:
            self.down(f"cannot be reached: {str(exc) or type(exc).__name__}")
            return error_answer(request, 503, UNSENT, f"the server cannot be reached: {str(exc) or type(exc).__name__}")
        except OAuthFlowError as exc:
            self.down(str(exc))
            return error_answer(request, 401, TURNED_DOWN, str(exc))
        except httpx2.TransportError as exc:
            if self.one_way:
                self.down(f"the connection broke: {str(exc) or type(exc).__name__}")
            return error_answer(request, 502, BROKE_OFF, f"the connection broke: {str(exc) or type(exc).__name__}")
        except ResponseTooLarge as exc:
            return error_answer(request, 502, UNREADABLE, str(exc))
        if response.status_code < 400 or request.method != "POST":
            return response
        if self.one_way:
            self.down(f"turned a message down: HTTP {response.status_code} {response.reason_phrase}")
        return await self.as_jsonrpc_error(request, response)

    async def pause_between_streams(self, request: httpx2.Request) -> None:
        """Pause before an event stream is opened again: a server may end each one at once."""
        if request.method != "GET":
            return
        if self.streamed_before:
            await anyio.sleep(RETURN_S)
        self.streamed_before = True

    async def as_jsonrpc_error(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        """A response with an error status as a JSON-RPC error that tells whether the request may have been executed."""
        answer = message_in(await response.aread())
        sent = message_in(request.content)
        status = response.status_code
        is_call = isinstance(sent, JSONRPCRequest) and sent.method == "tools/call"
        if isinstance(answer, JSONRPCError) and (not is_call or status >= 500):
            return response
        reason = f"HTTP {status} {response.reason_phrase}"
        if isinstance(answer, JSONRPCError):
            reason += f": {answer.error.message}"
        if is_call and status in (400, 404) and "mcp-session-id" in request.headers:
            self.down(f"no longer knows our session ({reason})")
            return error_answer(request, status, UNSENT, reason)
        return error_answer(request, status, BROKE_OFF if status >= 500 else TURNED_DOWN, reason)


def oauth_for(server: ToolServer, tokens: Path | None) -> httpx2.Auth | None:
    """What logs requests in, where the server wants that: FastMCP's OAuth, which nothing else loads."""
    if not server.oauth or tokens is None:
        return None
    from bridge_mcp.toolservers.oauth import engine_auth

    return engine_auth(server, tokens)


class ResponseTooLarge(Exception):
    """A response's body is larger than `MAX_MESSAGE`."""


async def read_whole(response: httpx2.Response) -> httpx2.Response:
    """The response with its body read and decoded.

    Raises:
        ResponseTooLarge: it is larger than `MAX_MESSAGE`; the connection is closed.
    """
    parts: list[bytes] = []
    size = 0
    try:
        async for part in response.aiter_bytes():
            parts.append(part)
            size += len(part)
            if size > MAX_MESSAGE:
                raise ResponseTooLarge(f"it gave an answer of more than the {MAX_MESSAGE:,} bytes that are taken")
    finally:
        await response.aclose()
    headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in PACKED]
    decoded = httpx2.Response(
        response.status_code,
        headers=headers,
        content=await readable(b"".join(parts)),
        request=response.request,
        extensions=response.extensions,
        history=response.history,
    )
    decoded.next_request = response.next_request
    return decoded


def error_answer(request: httpx2.Request, status: int, code: int, message: str) -> httpx2.Response:
    """A response with a JSON-RPC error, made here."""
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    return httpx2.Response(status, json=body, request=request)


def message_in(body: bytes) -> object:
    """The JSON-RPC message in a body; None if there is none."""
    try:
        return parse(load(body))
    except BadJSON:
        return None


class WebTransport:
    """Speaks MCP with one Streamable HTTP endpoint."""

    def __init__(self, server: ToolServer, hooks: ConnectionHooks) -> None:
        self.server = server
        self.hooks = hooks
        self.stream: TolerantStream | None = None
        """The stream of the open session."""

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[Streams]:
        """The streams for one session."""
        async with (
            WebClient(self.server, self.hooks) as web,
            streamable_http_client(self.server.url, http_client=web, max_sse_event_size=MAX_MESSAGE) as (reads, writes),
        ):
            self.stream = TolerantStream(reads)
            yield self.stream, OutgoingStream(writes, self.stream)


class SseTransport(WebTransport):
    """Speaks MCP with one endpoint of the older HTTP+SSE transport: a stream for responses, a URL for messages."""

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[Streams]:
        """The streams for one session, of the older era."""

        def client(
            headers: dict[str, str] | None = None,
            timeout: httpx2.Timeout | None = None,
            auth: httpx2.Auth | None = None,
        ) -> httpx2.AsyncClient:
            return WebClient(self.server, self.hooks)

        async with sse_client(self.server.url, sse_read_timeout=FOR_EVER_S, httpx_client_factory=client) as (
            reads,
            writes,
        ):
            self.stream = TolerantStream(reads, lambda: self.hooks.down("its event stream ended"))
            yield self.stream, OutgoingStream(writes, self.stream)
