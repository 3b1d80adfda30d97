"""One HTTP connection with time-outs for slow clients: half a request, or an unread response, does not hold it open.

uvicorn limits neither the time for a request's head nor the number of connections: a thousand half-sent heads
(slowloris) would use up the file descriptors of the whole bridge.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from typing import Any, ClassVar, cast

from msgspec import Struct, field
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["WELCOME", "Connection", "Limits", "limited"]

MAX_CONNECTIONS = 512
"""Connections at once, if the process may open so many files."""
MIN_CONNECTIONS = 16
KEPT_BACK = 128
"""Descriptors that are kept free of connections, for the store, files, nested servers and models."""

WELCOME = "bridge_mcp.welcome"
"""The key in a request's `state` of a function to call once the client is authenticated."""


def room_for_connections() -> int:
    """How many connections there may be: at most half of the process's descriptors."""
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    import resource

    may_open, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if may_open == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(MIN_CONNECTIONS, min(MAX_CONNECTIONS, may_open // 2, may_open - KEPT_BACK))


class Limits(Struct, frozen=True):
    """Limits for connections: times in seconds, and their number."""

    head_s: float = 10.0
    """From the first byte of a request, or from connecting, to the end of its head."""
    stall_s: float = 30.0
    """For a client that reads nothing of a waiting response."""
    connections: int = field(default_factory=room_for_connections)
    """How many at once. Beyond it, an idle one is closed: first those of clients that are not authenticated."""


class Connection(H11Protocol):
    """uvicorn's connection, within limits."""

    limits: ClassVar[Limits] = Limits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app_state = {**self.app_state, WELCOME: self.welcome}
        self.is_known = False
        self.since = 0.0
        """When it was last used, by the loop's clock: connected, or answered."""
        self._head: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def welcome(self) -> None:
        """Its client is authenticated."""
        self.is_known = True

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        cycle = cast("object | None", self.cycle)
        return cycle is None or self.cycle.response_complete

    def end(self) -> None:
        """Close at once, and drop what the client has not read."""
        self.transport.abort()

    # -- called by the event loop -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Start the time-out for the first head; over the limit, close an idle connection."""
        super().connection_made(transport)
        self.since = self.loop.time()
        others = cast("Iterable[Connection]", self.connections)
        if len(self.connections) > self.limits.connections:
            (most_expendable(others) or self).end()
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Pass the bytes on; the time-out for a head begins with its first byte."""
        super().data_received(data)
        if not self.is_idle:
            self._head = cancelled(self._head)
        elif self._head is None and not self.transport.is_closing():
            # The beginning of the next head, or the rest of a body that is no longer read.
            self._await_head()

    def pause_writing(self) -> None:
        """The client does not read: start the time-out for that."""
        super().pause_writing()
        self._stall = self._stall or self.loop.call_later(self.limits.stall_s, self.end)

    def resume_writing(self) -> None:
        """The client reads again: stop the time-out."""
        super().resume_writing()
        self._stall = cancelled(self._stall)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all time-outs."""
        self._head, self._stall = cancelled(self._head), cancelled(self._stall)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def on_response_complete(self) -> None:
        """The response is written: the connection is idle."""
        super().on_response_complete()
        self.since = self.loop.time()

    def timeout_keep_alive_handler(self) -> None:
        """Uvicorn's time-out of an idle connection."""
        super().timeout_keep_alive_handler()
        if self.transport.get_write_buffer_size():
            self._stall = self._stall or self.loop.call_later(self.limits.stall_s, self.end)

    def _await_head(self) -> None:
        self._head = self.loop.call_later(self.limits.head_s, self._give_up)

    def _give_up(self) -> None:
        self._head = None
        if self.is_idle:
            self.end()


def most_expendable(connections: Iterable[Connection]) -> Connection | None:
    """The connection to close for another; None if all have open requests."""
    idle = [each for each in connections if each.is_idle and not each.transport.is_closing()]
    return min(idle, key=lambda each: (each.is_known, each.since), default=None)


def cancelled(timer: asyncio.TimerHandle | None) -> None:
    """Cancel a timer; returns None, to store in its place."""
    if timer is not None:
        timer.cancel()


def limited(limits: Limits) -> type[Connection]:
    """The class of connections with these limits, which is what uvicorn takes."""
    return cast("type[Connection]", type("LimitedConnection", (Connection,), {"limits": limits}))
