"""Cancellation: a caller who cancels a call of `run_turn` stops its turn.

Calls are cancelled by `notifications/cancelled`, or in the newer era over HTTP by closing the response (`disconnect`).
Any other broken connection cancels nothing: its client may call again. Request ids are unique within a session only, so
a cancellation reaches the calls of its own session alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar
from weakref import WeakKeyDictionary

import anyio
from cachetools import LRUCache

from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.policy import Principal

__all__ = ["TurnCancellation"]

T = TypeVar("T")

KEPT = 64
"""Ended calls that are remembered of each session: a cancellation may come after the end of its call."""


@dataclass(eq=False, slots=True)
class OpenCall:
    """An open call. It has a ticket once its turn is recorded."""

    ticket: str = ""
    taken_back: bool = False


@dataclass(eq=False, slots=True)
class SessionCalls:
    """The calls of one session, by request id."""

    open: dict[str, list[OpenCall]] = field(default_factory=dict[str, list[OpenCall]])
    cut_off: LRUCache[str, str] = field(default_factory=lambda: LRUCache(KEPT))
    """The tickets of calls that were cut off before their response: a cancellation may come later."""

    def remove(self, request: str, call: OpenCall) -> None:
        """Drop a call that has ended."""
        self.open[request].remove(call)
        if not self.open[request]:
            del self.open[request]


class TurnCancellation:
    """The calls of `run_turn`, by session and request id; `stop` ends the turn of a ticket."""

    def __init__(self, stop: Callable[[Principal, str], Awaitable[object]]) -> None:
        self._stop = stop
        self._sessions: WeakKeyDictionary[object, SessionCalls] = WeakKeyDictionary()

    async def waited_for(
        self,
        who: Principal,
        session: object | None,
        request: object,
        wait: Callable[[Callable[[str], object]], Awaitable[T]],
        hung_up: Callable[[], bool],
    ) -> T:
        """Await a call, which passes the ticket of its turn to the function that it is given.

        `session` is None if no other request can cancel this one. `hung_up` says, once the call is cancelled, whether
        its client did so by closing the response.
        """
        call, key = OpenCall(), repr(request)
        calls = SessionCalls() if session is None else self._sessions.setdefault(session, SessionCalls())
        calls.open.setdefault(key, []).append(call)

        def begun(ticket: str) -> None:
            call.ticket = ticket

        try:
            return await wait(begun)
        except asyncio.CancelledError:
            if call.taken_back or hung_up():
                with anyio.CancelScope(shield=True):
                    await self._end_turn(who, call.ticket)
            else:
                calls.cut_off[key] = call.ticket if len(calls.open[key]) == 1 else ""
            raise
        finally:
            calls.remove(key, call)

    async def take_back(self, who: Principal, session: object | None, request: object) -> None:
        """Stop the turn of the call with this id, open or cut off; if there are two, of neither."""
        calls = None if session is None else self._sessions.get(session)
        if calls is None:
            return
        key = repr(request)
        match calls.open.get(key, []):
            case []:
                await self._end_turn(who, calls.cut_off.pop(key, ""))
            case [call]:
                call.taken_back = True
                await self._end_turn(who, call.ticket)
            case _:
                pass

    async def _end_turn(self, who: Principal, ticket: str) -> None:
        if ticket:
            # Nobody waits for a result, and the most frequent cause is that the turn is over already.
            with suppress(BridgeError):
                await self._stop(who, ticket)
