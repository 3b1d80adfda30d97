"""Lines of bytes over a pair of file descriptors, on the event loop if the system can, with flow control both ways.

Knows descriptors and newlines; nothing of JSON or MCP.

The loop itself reads pipes and sockets. A thread reads files, terminals and Windows handles, because loops cannot wait
for them; it is a daemon, since nothing can wake a thread in a blocking read. It also reads a socket that serves both
ways, whose input the loop's write pipe would take for a disconnect.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import threading
from collections import deque
from typing import Protocol, cast

from bridge_mcp.core.line_buffer import LineBuffer, LongLine, TooLong

__all__ = ["LineReader", "LineSink", "TooLong", "open_lines"]

MAX_LINE = 16 * 1024 * 1024
"""Bytes of one line; a longer one is dropped and reported, and the next line is read."""

AHEAD = 1024 * 1024
"""Bytes of complete lines in memory from which reading pauses (backpressure)."""

CLOSE_S = 2.0
"""How long closing waits for a peer that does not read."""


class LineReader(asyncio.Protocol):
    """Incoming lines, for one consumer."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        """Lines that wait for the consumer; b"" stands for a line that was too long."""
        self._held = 0
        self._buffer = LineBuffer(MAX_LINE)
        self._ended = False
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.ReadTransport | None = None

    async def next(self) -> bytes | None:
        """The next line without its newline; None at the end of input. An unfinished line at the end is dropped.

        Raises:
            TooLong: a line was dropped here.
        """
        while not self._lines:
            if self._ended:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        line = self._lines.popleft()
        self._held -= len(line)
        if self._paused and self._held < AHEAD // 2 and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        if not line:
            raise TooLong
        return line

    def end(self) -> None:
        """Stop reading: the consumer gets the lines that are there, and then the end."""
        self._ended = True
        if self._transport is not None:
            self._transport.close()
        self._wake()

    # -- called by the event loop ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's: reading begins."""
        self._transport = cast("asyncio.ReadTransport", transport)

    def data_received(self, data: bytes) -> None:
        """asyncio's: cut bytes into lines; pause reading over `AHEAD`."""
        for item in self._buffer.feed(data):
            if isinstance(item, LongLine):
                self._lines.append(b"")
            elif line := item.strip():
                self._lines.append(line)
                self._held += len(line)
        if self._lines:
            self._wake()
        if self._held > AHEAD and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """asyncio's: the end of input."""
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's: the end of input, or its error."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class LineSink(Protocol):
    """Writes lines to the peer."""

    async def write(self, line: bytes) -> None:
        """Write one line, newline included, and wait while the peer does not read.

        Raises:
            ConnectionError: the peer is gone.
        """
        ...

    async def close(self) -> None:
        """Flush for at most `CLOSE_S`, and close. Closing twice is fine."""
        ...


class PipeSink(asyncio.BaseProtocol):
    """A sink for a pipe or socket, on the event loop."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._free = asyncio.Event()
        self._free.set()
        self._lost = asyncio.Event()

    async def write(self, line: bytes) -> None:
        """See `LineSink`."""
        if self._transport is None or self._lost.is_set():
            raise ConnectionError("the peer is gone")
        self._transport.write(line)
        if not self._free.is_set():
            await self._free.wait()

    async def close(self) -> None:
        """See `LineSink`."""
        if self._transport is None or self._lost.is_set():
            return
        self._transport.close()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._lost.wait()
        except TimeoutError:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's: writing may begin."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's: the peer is gone."""
        self._lost.set()
        self._free.set()

    def pause_writing(self) -> None:
        """asyncio's: the peer does not read."""
        self._free.clear()

    def resume_writing(self) -> None:
        """asyncio's: the peer reads again."""
        self._free.set()


class FileSink:
    """A sink for files and terminals, which the loop cannot wait for: a thread writes each line, one at a time."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._turn = asyncio.Lock()

    async def write(self, line: bytes) -> None:
        """See `LineSink`."""
        async with self._turn:
            await asyncio.to_thread(write_all, self._fd, line)

    async def close(self) -> None:
        """Does nothing: lines are not buffered."""


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


async def open_lines(read_fd: int, write_fd: int) -> tuple[LineReader, LineSink]:
    """Read lines from one descriptor and write lines to the other; the caller closes both."""
    reader, loop = LineReader(), asyncio.get_running_loop()
    if not waitable(read_fd, write_fd):
        threading.Thread(target=feed, args=(reader, read_fd, loop), name="bridge-stdin", daemon=True).start()
        return reader, FileSink(write_fd)
    sink = PipeSink()
    await loop.connect_read_pipe(lambda: reader, os.fdopen(os.dup(read_fd), "rb", 0))
    await loop.connect_write_pipe(lambda: sink, os.fdopen(os.dup(write_fd), "wb", 0))
    return reader, sink


def waitable(read_fd: int, write_fd: int) -> bool:
    """Whether an event loop can wait for these. Not for a terminal, whose non-blocking mode its shell would share."""
    if sys.platform == "win32":
        return False
    modes = [os.fstat(fd).st_mode for fd in (read_fd, write_fd)]
    return all(stat.S_ISFIFO(m) or stat.S_ISSOCK(m) for m in modes) and not os.path.sameopenfile(read_fd, write_fd)


def feed(reader: LineReader, fd: int, loop: asyncio.AbstractEventLoop) -> None:
    """Run in the reading thread, until the end of input or of the loop."""
    while True:
        try:
            data = os.read(fd, 65_536)
        except OSError:
            data = b""
        try:
            if not data:
                loop.call_soon_threadsafe(reader.eof_received)
                return
            loop.call_soon_threadsafe(reader.data_received, data)
        except RuntimeError:  # the loop has been closed
            return
