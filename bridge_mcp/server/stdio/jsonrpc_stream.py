"""JSON-RPC messages over lines: the pair of streams that the SDK's server reads and writes.

A line that is no message is answered here, since the SDK cannot. Knows framing and the JSON-RPC envelope; neither
descriptors nor methods.
"""

from __future__ import annotations

import asyncio

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import MESSAGE_DEPTH, read_json
from bridge_mcp.core.line_buffer import TooLong
from bridge_mcp.server.stdio.line_io import MAX_LINE, LineReader, LineSink
from bridge_mcp.server.tools.json_text import compact, without_lone_surrogates

__all__ = ["MessageReader", "MessageWriter", "OpenRequests"]

LAST_ANSWERS_S = 0.5
"""How long requests that are open at the end of input may still take: a script that pipes its requests in and closes
gets its responses, and a host that leaves does not wait."""


class OpenRequests:
    """The ids of requests that were read and not answered yet."""

    def __init__(self) -> None:
        self._ids: set[RequestId] = set()
        self._none = asyncio.Event()
        self._none.set()

    def add(self, id_: RequestId) -> None:
        """A request was read."""
        self._ids.add(id_)
        self._none.clear()

    def discard(self, id_: RequestId | None) -> None:
        """A request was answered or cancelled."""
        if id_ is not None:
            self._ids.discard(id_)
        if not self._ids:
            self._none.set()

    async def settled(self) -> None:
        """Wait until none is open, at most `LAST_ANSWERS_S`."""
        try:
            async with asyncio.timeout(LAST_ANSWERS_S):
                await self._none.wait()
        except TimeoutError:
            return


class MessageWriter(ObjectSendStream[SessionMessage]):
    """Sends messages as lines. Several tasks may send at once."""

    def __init__(self, sink: LineSink, open_requests: OpenRequests) -> None:
        self._sink = sink
        self._open = open_requests

    async def send(self, item: SessionMessage) -> None:
        """Send one message.

        Raises:
            anyio.BrokenResourceError: the peer is gone.
        """
        message = item.message
        try:
            await self._sink.write(line_of(message))
        except OSError:
            raise anyio.BrokenResourceError from None
        finally:
            if isinstance(message, JSONRPCResponse | JSONRPCError):
                self._open.discard(message.id)

    async def aclose(self) -> None:
        """Flush for at most two seconds, and close."""
        await self._sink.close()


class MessageReader(ObjectReceiveStream[SessionMessage | Exception]):
    """Reads messages from lines, and answers invalid lines. For one consumer."""

    def __init__(self, lines: LineReader, writer: MessageWriter, open_requests: OpenRequests) -> None:
        self._lines = lines
        self._writer = writer
        self._open = open_requests

    async def receive(self) -> SessionMessage | Exception:
        """The next message.

        Raises:
            anyio.EndOfStream: the input has ended, and open requests were answered or timed out.
        """
        while True:
            try:
                line = await self._lines.next()
            except TooLong:
                await self._refuse(
                    None, PARSE_ERROR, f"Parse error: a line of more than {MAX_LINE:,} bytes was dropped"
                )
                continue
            if line is None:
                await self._open.settled()
                raise anyio.EndOfStream
            message = await self._read(line)
            if message is not None:
                self._note(message)
                return SessionMessage(message)

    async def aclose(self) -> None:
        """Stop reading."""
        self._lines.end()

    def _note(self, message: JSONRPCMessage) -> None:
        if isinstance(message, JSONRPCRequest):
            self._open.add(message.id)
        elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            # A cancelled request is never answered.
            cancelled = (message.params or {}).get("requestId")
            self._open.discard(cancelled if isinstance(cancelled, str | int) else None)

    async def _read(self, line: bytes) -> JSONRPCMessage | None:
        try:
            return jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValidationError:
            return await self._read_again(line)

    async def _read_again(self, line: bytes) -> JSONRPCMessage | None:
        """A line that the strict parser refused: JSON with a lone surrogate, no message, or no JSON at all.

        The first kind passes, so that the method's own checks can name the argument; the others are answered.
        """
        try:
            value = read_json(line, max_depth=MESSAGE_DEPTH, odd="keep")
        except BadJSON as exc:
            await self._refuse(None, PARSE_ERROR, f"Parse error: {exc}")
            return None
        try:
            return jsonrpc_message_adapter.validate_python(value, by_name=False)
        except ValidationError:
            fields = value if isinstance(value, dict) else {}
            if "result" not in fields and "error" not in fields:
                id_ = fields.get("id")
                id_ = id_ if isinstance(id_, str | int) and not isinstance(id_, bool) else None
                await self._refuse(id_, INVALID_REQUEST, "Invalid request: one JSON-RPC 2.0 message a line is read")
            return None

    async def _refuse(self, id_: RequestId | None, code: int, message: str) -> None:
        error = JSONRPCError(jsonrpc="2.0", id=id_, error=ErrorData(code=code, message=message))
        try:
            await self._writer.send(SessionMessage(error))
        except anyio.BrokenResourceError:
            return


def line_of(message: JSONRPCMessage) -> bytes:
    """A message as a line. Lone surrogates, which JSON parsers refuse, become U+FFFD."""
    try:
        text = message.model_dump_json(by_alias=True, exclude_unset=True)
    except ValueError:
        text = without_lone_surrogates(compact(message.model_dump(by_alias=True, exclude_unset=True)))
    return text.encode() + b"\n"
