"""The limit for messages of nested servers, and the request that a message answered if it is too large to be read."""

from __future__ import annotations

import re

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import read_json
from bridge_mcp.core.line_buffer import LongLine

__all__ = ["ENDLESS", "MAX_MESSAGE", "answered_id"]

MAX_MESSAGE = 32 * 1024 * 1024
"""Bytes of one message: room for images and files."""
ENDLESS = 8 * MAX_MESSAGE
"""Bytes after which an unfinished line is taken for an endless one."""

NUMBER = rb'"id"\s*:\s*(-?\d{1,18}|"(?:[^"\\]|\\.){1,200}")'


def answered_id(line: LongLine) -> int | str | None:
    """The id of the request that a message answered, if it is at one of its ends, as it usually is."""
    match = re.match(rb'\s*\{(?:\s*"jsonrpc"\s*:\s*"2\.0"\s*,)?\s*' + NUMBER, line.head) or re.search(
        NUMBER + rb'(?:\s*,\s*"jsonrpc"\s*:\s*"2\.0")?\s*\}\s*$', line.tail
    )
    return None if match is None else number_in(match[1])


def number_in(text: bytes) -> int | str | None:
    """An id from its JSON text."""
    try:
        value = read_json(text)
    except BadJSON:
        return None
    return value if isinstance(value, int | str) else None
