"""A proxy on loopback that sends each request to the next of several servers, as a load balancer may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from urllib.parse import urlsplit


class RoundRobin:
    """One request a connection: HTTP/1.1 with a body of a known length, and any answer, streams among them."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._next = cycle([(urlsplit(each).hostname, urlsplit(each).port) for each in addresses])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of a client."""
        tasks: list[asyncio.Task[None]] = []
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
            there, to = await asyncio.open_connection(*next(self._next))
            to.write(b"\r\n".join([lines[0], b"connection: close", *lines[1:]]))
            tasks = [asyncio.create_task(copied(reader, to)), asyncio.create_task(copied(there, writer))]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            to.close()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for task in tasks:
                task.cancel()
            writer.close()


async def copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy all that comes; either end may leave."""
    with suppress(ConnectionError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()


@asynccontextmanager
async def behind_one_address(*addresses: str) -> AsyncGenerator[str]:
    """The one address of several servers, with the path of the first."""
    proxy = RoundRobin(addresses)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{urlsplit(addresses[0]).path}"
    finally:
        server.close()
