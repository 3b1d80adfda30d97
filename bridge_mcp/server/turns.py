"""Turns that callers wait for, so that a caller who takes a call back stops its turn.

Calls are taken back by `notifications/cancelled`, or in the newer era over HTTP by closing the response (`hangups`).
Any other connection that breaks stops nothing: its client may call again. Knows no protocol but the ids of requests.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import anyio

from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.policy import Principal

__all__ = ["Turns"]

T = TypeVar("T")

KEPT = 256
"""The cancellation of a call may be told after it has ended: so many are remembered."""


class Turns:
    """Which ticket each call of `run_turn` has given, by who called and by the request's id; `stop` ends its turn."""

    def __init__(self, stop: Callable[[Principal, str], Awaitable[object]]) -> None:
        self._stop = stop
        self._known: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._waiting: dict[tuple[str, str], int] = {}

    async def waited_for(
        self,
        who: Principal,
        request: object,
        wait: Callable[[Callable[[str], object]], Awaitable[T]],
        hung_up: Callable[[], bool],
    ) -> T:
        """Await a call, which tells the function that it is given the ticket of its turn.

        `hung_up` says, once the call is cancelled, whether that is how its caller takes it back.
        """
        ticket, answered = "", False

        def begun(given: str) -> None:
            nonlocal ticket
            ticket = given
            self._begin(who, request, given)

        try:
            answer = await wait(begun)
            answered = True
            return answer
        except asyncio.CancelledError:
            if hung_up():
                with anyio.CancelScope(shield=True):
                    await self._end_turn(who, ticket)
            raise
        finally:
            self._end(who, request, answered=answered)

    async def take_back(self, who: Principal, request: object) -> None:
        """Stop the turn that a call of this id waits for, or waited for last; nothing if nobody can say which."""
        await self._end_turn(who, self._known.get((who.name, repr(request)), ""))

    async def _end_turn(self, who: Principal, ticket: str) -> None:
        if ticket:
            with suppress(BridgeError):
                await self._stop(who, ticket)

    def _begin(self, who: Principal, request: object, ticket: str) -> None:
        """A call waits for this ticket. Ids are unique in a connection only: if two wait under one, none counts."""
        key = (who.name, repr(request))
        twice = self._waiting.get(key, 0) > 0
        self._waiting[key] = self._waiting.get(key, 0) + 1
        self._known[key] = "" if twice else ticket
        self._known.move_to_end(key)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)

    def _end(self, who: Principal, request: object, *, answered: bool) -> None:
        """A call waits no longer; one that was answered cannot be taken back."""
        key = (who.name, repr(request))
        if answered:
            self._known.pop(key, None)
        left = self._waiting.get(key, 0) - 1
        if left > 0:
            self._waiting[key] = left
        else:
            self._waiting.pop(key, None)
