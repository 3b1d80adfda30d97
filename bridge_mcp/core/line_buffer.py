"""Splits a stream of bytes into lines of bounded size: the one framer for all protocols of lines.

It does no I/O and knows no protocol. The lines do not depend on how the bytes are cut into chunks; the cost of a byte
does not depend on the length of its line, and of a line that is too long only both ends are kept.
"""

from __future__ import annotations

from msgspec import Struct

__all__ = ["ENDS", "LineBuffer", "LongLine", "TooLong"]

ENDS = 4096
"""Bytes that are kept of both ends of a line that is too long."""
SMALL = 1024
"""Bytes below which a chunk is copied and not kept as it came."""


class TooLong(Exception):
    """A line was longer than its reader's limit, and has been dropped."""


class LongLine(Struct, frozen=True):
    """A line that was longer than its buffer's limit: both its ends, and its size in bytes."""

    head: bytes
    tail: bytes
    size: int

    @classmethod
    def of(cls, line: bytes) -> LongLine:
        """The same for a line that is complete in memory."""
        return cls(line[:ENDS], line[-ENDS:], len(line))


class LineBuffer:
    """The lines of one stream, without their newlines.

    `limit`: bytes of a line. A longer one is dropped as it arrives, and becomes a `LongLine` in its place.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        """Bytes of the unfinished line, dropped ones included."""
        self._parts: list[bytes] = []
        self._small = bytearray()
        """Small chunks behind the parts, as one object: as many objects they would take many times their bytes."""
        self._dropped: LongLine | None = None

    @property
    def overflowed(self) -> bool:
        """Whether the unfinished line is longer than the limit already."""
        return self._dropped is not None

    def feed(self, data: bytes) -> list[bytes | LongLine]:
        """Add bytes of the stream; returns the lines that end in them."""
        *ended, unfinished = data.split(b"\n")
        lines: list[bytes | LongLine] = []
        for part in ended:
            if self.size or len(part) > self.limit:
                self._add(part)
                lines.append(self.end())
            else:
                lines.append(part)
        if unfinished:
            self._add(unfinished)
        return lines

    def end(self) -> bytes | LongLine:
        """The stream has ended: returns the bytes after its last newline."""
        line = self._joined() if self._dropped is None else self._dropped
        self.size, self._dropped = 0, None
        return line

    def _add(self, part: bytes) -> None:
        self.size += len(part)
        if self._dropped is not None:
            head, tail = self._dropped.head, (self._dropped.tail + part[-ENDS:])[-ENDS:]
            self._dropped = LongLine(head + part[: ENDS - len(head)], tail, self.size)
            return
        if len(part) < SMALL:
            self._small += part
        else:
            self._close_small()
            self._parts.append(part)
        if len(self._small) >= SMALL:
            self._close_small()
        if self.size > self.limit:
            self._dropped = LongLine.of(self._joined())

    def _close_small(self) -> None:
        if self._small:
            self._parts.append(bytes(self._small))
            self._small.clear()

    def _joined(self) -> bytes:
        """The unfinished line; the buffer is empty after that."""
        self._close_small()
        line = b"".join(self._parts)
        self._parts.clear()
        return line
