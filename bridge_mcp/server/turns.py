"""Turns that callers wait for, so that a caller who takes a call back stops its turn.

Calls are taken back by `notifications/cancelled`, or in the newer era over HTTP by closing the response (`hangups`).
Any other connection that breaks stops nothing: its client may call again. Knows no protocol but the ids of requests.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import anyio

from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.policy import Principal

__all__ = ["Turns"]

T = TypeVar("T")

KEPT = 256
"""The cancellation of a call may be told after it has ended: so many are remembered."""

Key: TypeAlias = tuple[str, str]
"""Who calls, and the request's id, which is unique in a connection only."""


@dataclass(eq=False, slots=True)
class Call:
    """A call that is under way. It has a ticket once its turn is on record."""

    ticket: str = ""
    taken_back: bool = False


class Turns:
    """The calls of `run_turn`, by who called and by the request's id; `stop` ends the turn of a ticket."""

    def __init__(self, stop: Callable[[Principal, str], Awaitable[object]]) -> None:
        self._stop = stop
        self._open: dict[Key, list[Call]] = {}
        self._cut_off: OrderedDict[Key, str] = OrderedDict()
        """The tickets of calls that have ended without an answer."""

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
        call, key = Call(), (who.name, repr(request))
        self._open.setdefault(key, []).append(call)

        def begun(ticket: str) -> None:
            call.ticket = ticket

        try:
            return await wait(begun)
        except asyncio.CancelledError:
            if call.taken_back or hung_up():
                with anyio.CancelScope(shield=True):
                    await self._end_turn(who, call.ticket)
            else:
                self._remember(key, call.ticket if len(self._open[key]) == 1 else "")
            raise
        finally:
            self._open[key].remove(call)
            if not self._open[key]:
                del self._open[key]

    async def take_back(self, who: Principal, request: object) -> None:
        """Stop the turn that a call of this id waits for, or waited for last; of two such calls, neither."""
        key = (who.name, repr(request))
        match self._open.get(key, []):
            case []:
                await self._end_turn(who, self._cut_off.pop(key, ""))
            case [call]:
                call.taken_back = True
                await self._end_turn(who, call.ticket)
            case _:
                pass

    async def _end_turn(self, who: Principal, ticket: str) -> None:
        if ticket:
            # Nobody waits for an answer any more, and the commonest reason is that the turn is over already.
            with suppress(BridgeError):
                await self._stop(who, ticket)

    def _remember(self, key: Key, ticket: str) -> None:
        self._cut_off[key] = ticket
        self._cut_off.move_to_end(key)
        if len(self._cut_off) > KEPT:
            self._cut_off.popitem(last=False)
