"""Listening for HTTP: a socket, and uvicorn on it, within limits. Knows nothing of what is served."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import uvicorn

from bridge_mcp.core.errors import ConfigError
from bridge_mcp.listening.connection import WELCOME, Limits, limited

__all__ = ["WELCOME", "Limits", "Server", "configured", "listening"]

WAITING = 128
"""Connections that the system keeps until they are accepted, and that are accepted at once."""


class Server(uvicorn.Server):
    """uvicorn without its hold on signals: it would raise them again after serving, before the store is closed.

    `on_started` is called once connections are answered.
    """

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], object] = lambda: None) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()


def configured(app: Any, leave_s: int, limits: Limits | None = None) -> uvicorn.Config:
    """Uvicorn's settings for an ASGI app whose open answers have `leave_s` seconds when serving ends."""
    return uvicorn.Config(
        app,
        http=limited(limits or Limits()),
        backlog=WAITING,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=leave_s,
    )


@contextmanager
def listening(host: str, port: int, fix: str) -> Generator[socket.socket]:
    """A socket that listens there.

    Raises:
        ConfigError: the address is taken, or not one of this machine; with that `fix`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, event loops send what is written at once. Else an answer's second write would wait for
    # the peer's delayed acknowledgement of the first: 40 ms a call.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with listener:
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(WAITING)
        except OSError as exc:
            raise ConfigError(f"Cannot listen on {host}:{port}: {exc.strerror or exc}.", fix=fix) from None
        yield listener
