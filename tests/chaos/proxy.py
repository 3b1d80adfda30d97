"""A way to Postgres over loopback that can be cut: what comes in is then dropped, and nobody is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

__all__ = ["Proxy", "proxy_to"]

CHUNK = 65_536


class Proxy:
    """Passes bytes on to a port, as long as it is not cut."""

    def __init__(self, to: int) -> None:
        self.port = 0
        self._to = to
        self._cut = False
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """From now on everything is dropped: both sides see a line that is silent."""
        self._cut = True

    def mend(self) -> None:
        """New connections go through again; the old ones have lost bytes, and end."""
        self._cut = False
        for writer in tuple(self._open):
            writer.transport.abort()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, back}
        self._open |= pair
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        finally:
            self._open -= pair
            for each in pair:
                each.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(CHUNK):
                if not self._cut:
                    sink.write(data)
                    await sink.drain()
        if not self._cut:
            sink.transport.abort()


@asynccontextmanager
async def proxy_to(port: int) -> AsyncGenerator[Proxy]:
    """A proxy to a port of this machine, while the context is open."""
    made = Proxy(port)
    server = await asyncio.start_server(made.accept, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.mend()
