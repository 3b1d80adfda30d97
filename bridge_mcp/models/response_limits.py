"""Reads aiohttp's responses of model endpoints within limits: a whole body, or the events of a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from bridge_mcp.core.json_reader import MAX_SIZE
from bridge_mcp.core.line_buffer import LineBuffer, LongLine

if TYPE_CHECKING:
    from aiohttp import ClientResponse

__all__ = ["MAX_BODY", "MAX_LINE", "MAX_STREAM", "ResponseTooLarge", "events", "whole_body"]

MAX_BODY = MAX_SIZE
"""Bytes of one whole answer."""
MAX_STREAM = 4 * MAX_SIZE
"""Bytes of a streamed one: each few characters of it come in a chunk of some 200 bytes."""
MAX_LINE = 8 * 1024 * 1024
"""Bytes of one line of a stream."""

FIELDS = (b"event:", b"id:", b"retry:", b":")
"""Fields of server-sent events other than data, and comments."""


class ResponseTooLarge(Exception):
    """A response is longer than any model's would be."""


async def whole_body(response: ClientResponse, most: int = MAX_BODY) -> bytes:
    """The body of a response.

    Raises:
        ResponseTooLarge: it is longer than `most` bytes.
    """
    parts: list[bytes] = []
    left = most
    async for part in response.content.iter_any():
        left -= len(part)
        if left < 0:
            raise ResponseTooLarge(f"its answer is longer than {most:,} bytes")
        parts.append(part)
    return b"".join(parts)


async def events(response: ClientResponse, most: int = MAX_STREAM, longest: int = MAX_LINE) -> AsyncIterator[bytes]:
    """The data of server-sent events, one line each in the chat format; and lines that are no event.

    Raises:
        ResponseTooLarge: the whole stream is longer than `most` bytes, or one line longer than `longest`.
    """
    buffer = LineBuffer(longest)
    left = most
    async for part in response.content.iter_any():
        left -= len(part)
        for line in buffer.feed(part):
            if data := data_of(line, longest):
                yield data
        if left < 0:
            raise ResponseTooLarge(f"its answer is longer than {most:,} bytes")
        if buffer.overflowed:
            break
    if data := data_of(buffer.end(), longest):
        yield data


def data_of(line: bytes | LongLine, longest: int) -> bytes:
    """The data of a line; empty for an empty line, a comment, or another field.

    Raises:
        ResponseTooLarge: it was too long to be kept.
    """
    if isinstance(line, LongLine):
        raise ResponseTooLarge(f"one line of its answer is longer than {longest:,} bytes")
    if line.startswith(b"data:"):
        return line[5:].strip()
    return b"" if line.startswith(FIELDS) else line.strip()
