"""The HTTP side of the server: a listening socket, uvicorn's protocol on it, and power over each connection.

uvicorn's own `Server` is not used because connections must be broken and the door be shut on demand, at once. Knows
nothing of Telegram.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

__all__ = ["App", "Listener", "Receive", "Scope", "Send"]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

KEEP_ALIVE_S = 3600
"""Longer than any test: a connection ends when a test says so."""


class Connection(H11Protocol):
    """One connection of a client; `gone` once it is over and the other side can see it."""

    def __init__(self, config: Config, state: ServerState) -> None:
        super().__init__(config, state, {})
        self.gone = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.gone.set()


class Listener:
    """Serves an ASGI application on loopback. Everything but `port` belongs to the loop it was opened in."""

    def __init__(self, app: App, port: int) -> None:
        self._socket = bound(port)
        self.port: int = self._socket.getsockname()[1]
        self._config = Config(
            app,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            # With them a header could change the address by which a connection is found.
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to take connections; also after `shut`."""
        if self._socket.fileno() < 0:
            self._socket = bound(self.port)
        if not self._config.loaded:
            self._config.load()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self._config, self._state), sock=self._socket)

    async def shut(self) -> None:
        """Take no more connections: the next ones are refused. Those that are open break."""
        if self._server:
            self._server.close()
            self._server = None
        self._socket.close()
        await self.drop_all()

    async def close(self) -> None:
        """End everything, and wait for it."""
        await self.shut()
        tasks = list(self._state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def connections(self) -> list[Connection]:
        """Those that are open now."""
        return [one for one in self._state.connections if isinstance(one, Connection)]

    async def drop_all(self) -> None:
        """Break every open connection. When this returns, the other side can see it."""
        for connection in self.connections():
            connection.transport.abort()
            await connection.gone.wait()

    async def end(self, scope: Scope, receive: Receive, *, flush: bool) -> None:
        """Break the connection of one request; with `flush`, after what was written to it went out."""
        for connection in self.connections():
            if connection.client == tuple(scope["client"]):
                if flush:
                    connection.transport.close()
                else:
                    connection.transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass


def bound(port: int) -> socket.socket:
    """A socket on loopback that clients may already knock at. It says that it is TCP: else asyncio leaves Nagle on."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(256)
    return made
