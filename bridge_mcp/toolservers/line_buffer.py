"""Cuts a stream of bytes into lines of bounded size. Knows no protocol but how its answers are numbered."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import read_json

__all__ = ["ENDS", "MAX_MESSAGE", "Lines", "TooLong"]

MAX_MESSAGE = 32 * 1024 * 1024
"""Bytes of one message: room for images and files."""
ENDLESS = 8 * MAX_MESSAGE
"""Bytes after which a line that has not ended is taken for one that never will."""
ENDS = 512
"""Bytes that are kept of both ends of a line that is too long."""

NUMBER = rb'"id"\s*:\s*(-?\d{1,18}|"(?:[^"\\]|\\.){1,200}")'


@dataclass(frozen=True, slots=True)
class TooLong:
    """What is left of a line that was too long."""

    head: bytes
    tail: bytes
    size: int

    def answers(self) -> int | str | None:
        """The id of the request that it answered, where it stands at one of its ends, as it does by habit."""
        found = re.match(rb'\s*\{(?:\s*"jsonrpc"\s*:\s*"2\.0"\s*,)?\s*' + NUMBER, self.head) or re.search(
            NUMBER + rb'(?:\s*,\s*"jsonrpc"\s*:\s*"2\.0")?\s*\}\s*$', self.tail
        )
        return None if found is None else number_in(found[1])


def number_in(text: bytes) -> int | str | None:
    """An id as its JSON text says it."""
    try:
        found = read_json(text)
    except BadJSON:
        return None
    return found if isinstance(found, int | str) else None


class Lines:
    """The lines of a stream. One that is too long is dropped while it comes, and told of at its end."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._dropped: TooLong | None = None

    @property
    def endless(self) -> bool:
        """Whether the line under way has no end."""
        return self._dropped is not None and self._dropped.size > ENDLESS

    def feed(self, data: bytes) -> list[bytes | TooLong]:
        """The lines that are whole now, without their ends."""
        whole: list[bytes | TooLong] = []
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._take(part)
            whole.append(self._dropped or b"".join(self._parts))
            self._parts, self._size, self._dropped = [], 0, None
        self._take(rest)
        return whole

    def _take(self, part: bytes) -> None:
        """Add to the line under way."""
        if self._dropped is not None:
            tail = (self._dropped.tail + part)[-ENDS:]
            self._dropped = TooLong(self._dropped.head, tail, self._dropped.size + len(part))
            return
        self._parts.append(part)
        self._size += len(part)
        if self._size > MAX_MESSAGE:
            line = b"".join(self._parts)
            self._dropped = TooLong(line[:ENDS], line[-ENDS:], len(line))
            self._parts = []
