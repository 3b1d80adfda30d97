"""One HTTP connection with limits: none is held open by sending half a request, or by not reading an answer.

uvicorn limits neither the time that a request's head may take nor the number of connections, so that a thousand
half-sent heads use up the process's file descriptors, of which the rest of the bridge has none left then.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["WELCOME", "Connection", "Limits", "limited"]

MAX_CONNECTIONS = 512
"""Connections at once, where the process may open so many files."""
MIN_CONNECTIONS = 16
KEPT_BACK = 128
"""Descriptors that are never used for connections: for the store, files, nested servers and models."""

WELCOME = "bridge_mcp.welcome"
"""In a request's `state`: call it once the request's client is known."""


def room_for_connections() -> int:
    """How many connections leave the rest of the process enough descriptors: at most half of all."""
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    import resource

    may_open, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if may_open == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(MIN_CONNECTIONS, min(MAX_CONNECTIONS, may_open // 2, may_open - KEPT_BACK))


@dataclass(frozen=True, slots=True)
class Limits:
    """What connections may take: times in seconds, and how many there may be."""

    head_s: float = 10.0
    """From the first byte of a request, or from connecting, to the end of its head."""
    stall_s: float = 30.0
    """For a client that reads nothing of what waits for it."""
    connections: int = field(default_factory=room_for_connections)
    """At once. Beyond it, one on which nothing is under way gives way: first of clients that are not known."""


class Connection(H11Protocol):
    """uvicorn's connection, within limits."""

    limits: ClassVar[Limits] = Limits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app_state = {**self.app_state, WELCOME: self.welcome}
        self.is_known = False
        self.since = 0.0
        """When it was last of use, by the loop's clock: connected, or answered."""
        self._head: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def welcome(self) -> None:
        """Its client is known."""
        self.is_known = True

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        cycle = cast("object | None", self.cycle)
        return cycle is None or self.cycle.response_complete

    def end(self) -> None:
        """Close at once. What the client has not read is dropped."""
        self.transport.abort()

    # -- what the loop calls ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self.since = self.loop.time()
        others = cast("Iterable[Connection]", self.connections)
        if len(self.connections) > self.limits.connections:
            (most_expendable(others) or self).end()
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.is_idle:
            self._head = cancelled(self._head)
        elif self._head is None and not self.transport.is_closing():
            # The beginning of the next head, or the rest of a body that nobody reads any more.
            self._await_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self._stall or self.loop.call_later(self.limits.stall_s, self.end)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stall = cancelled(self._stall)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head, self._stall = cancelled(self._head), cancelled(self._stall)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.since = self.loop.time()

    def timeout_keep_alive_handler(self) -> None:
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
    """The connection that makes room for another; None where requests are under way on all."""
    idle = [each for each in connections if each.is_idle and not each.transport.is_closing()]
    return min(idle, key=lambda each: (each.is_known, each.since), default=None)


def cancelled(timer: asyncio.TimerHandle | None) -> None:
    """Cancel a timer; what stands in its place."""
    if timer is not None:
        timer.cancel()


def limited(limits: Limits) -> type[Connection]:
    """The class of connections within these limits, which is what uvicorn takes."""
    return cast("type[Connection]", type("LimitedConnection", (Connection,), {"limits": limits}))
