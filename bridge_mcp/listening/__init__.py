"""Listening for HTTP: a socket, and uvicorn on it, within limits. Knows nothing of the application."""

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
"""The backlog of the socket: connections that wait to be accepted."""


class Server(uvicorn.Server):
    """A uvicorn server without signal handlers: those raise signals again after serving, before the store is closed.

    `on_started` is called once connections are accepted.
    """

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], object] = lambda: None) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Does nothing, in the place of uvicorn's handlers."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and call `on_started` if that went well."""
        await super().startup(sockets)
        if self.started:
            self._on_started()


def configured(app: Any, leave_s: int, limits: Limits | None = None) -> uvicorn.Config:
    """The settings for uvicorn: open responses have `leave_s` seconds when serving ends."""
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
    """A listening socket.

    Raises:
        ConfigError: the address is taken, or not one of this machine; with that `fix`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, event loops set TCP_NODELAY. Otherwise a response's second write would wait for the
    # peer's delayed acknowledgement of the first: 40 ms a call.
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
