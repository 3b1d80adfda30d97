"""Rewrites HTTP responses that the SDK's parser would refuse: their calls have run, and callers wait for the results.

That parser accepts no lone surrogate, no invalid UTF-8 and no result that is not an object, and drops the whole
message, which in an event stream leaves the caller waiting. `stdio_transport` does the same for stdio. Knows bodies and
events, no requests.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import anyio.to_thread
import httpx2

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import MESSAGE_DEPTH, read_json
from bridge_mcp.core.line_buffer import LongLine
from bridge_mcp.toolservers.message_size import MAX_MESSAGE, answered_id
from bridge_mcp.toolservers.tolerant_results import object_result

__all__ = ["UNREADABLE", "EventStream", "readable"]

UNREADABLE = -770_004
"""Our own error code: the response came, and was too large or nested too deep."""
LONG = 256 * 1024
"""Bytes from which a message is parsed on a thread, to keep the event loop free."""
ESCAPED_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""An escape that may be a lone surrogate."""
NO_OBJECT = re.compile(rb'"result"\s*:\s*[^\s{]')
"""What looks like a result that is not an object."""


async def readable(body: bytes) -> bytes:
    """A JSON body that the SDK's parser accepts; a body that is no JSON stays as it is.

    A response that is nested too deep becomes an error with the same id.
    """
    if plain(body):
        return body
    return rewritten(body) if len(body) < LONG else await anyio.to_thread.run_sync(rewritten, body)


def plain(body: bytes) -> bool:
    """Whether a body surely needs no rewriting."""
    if body.count(b"[") + body.count(b"{") > MESSAGE_DEPTH or ESCAPED_HALF.search(body) or NO_OBJECT.search(body):
        return False
    if body.isascii():
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def rewritten(body: bytes) -> bytes:
    try:
        message = read_json(body, max_depth=MESSAGE_DEPTH, odd="mend")
        if isinstance(message, dict) and "result" in message:
            message["result"] = object_result(message["result"])
        return json.dumps(message).encode()
    except BadJSON as exc:
        number = answered_id(LongLine.of(body))
        if number is None:
            return body
        error = {"code": UNREADABLE, "message": f"it gave an answer that cannot be read: {exc}"}
        return json.dumps({"jsonrpc": "2.0", "id": number, "error": error}).encode()


class EventStream(httpx2.AsyncByteStream):
    """An event stream with rewritten data. A line above the size limit passes as it is."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts: list[bytes] = []
        size, passing = 0, False
        async for chunk in self._stream:
            for line in chunk.splitlines(keepends=True):
                parts.append(line)
                size += len(line)
                ended = line.endswith((b"\n", b"\r"))
                if ended or passing or size > MAX_MESSAGE:
                    joined = b"".join(parts)
                    yield joined if passing or not ended else await event_line(joined)
                    parts, size, passing = [], 0, not ended
        if parts:
            yield b"".join(parts)

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()


async def event_line(line: bytes) -> bytes:
    """A line of an event stream, with its data rewritten."""
    if not line.startswith(b"data:") or plain(line):
        return line
    data = line[5:].rstrip(b"\r\n")
    return b"data:" + await readable(data) + line[5 + len(data) :]
