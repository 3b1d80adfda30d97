"""Turns that callers wait for, so that a caller who takes a call back (`notifications/cancelled`) stops its turn.

A connection that just broke stops nothing: its client may call again. Knows no protocol but the ids of requests.
"""

from __future__ import annotations

from collections import OrderedDict

from bridge_mcp.core.policy import Principal

__all__ = ["Turns"]

KEPT = 256
"""The cancellation of a call may be told after it has ended: so many are remembered."""


class Turns:
    """Which ticket each call of `run_turn` has given, by who called and by the request's id."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._waiting: dict[tuple[str, str], int] = {}

    def begin(self, who: Principal, request: object, ticket: str) -> None:
        """A call waits for this ticket. Ids are unique in a connection only: if two wait under one, none counts."""
        key = (who.name, repr(request))
        twice = self._waiting.get(key, 0) > 0
        self._waiting[key] = self._waiting.get(key, 0) + 1
        self._known[key] = "" if twice else ticket
        self._known.move_to_end(key)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)

    def end(self, who: Principal, request: object, *, answered: bool) -> None:
        """A call waits no longer; one that was answered cannot be taken back."""
        key = (who.name, repr(request))
        if answered:
            self._known.pop(key, None)
        left = self._waiting.get(key, 0) - 1
        if left > 0:
            self._waiting[key] = left
        else:
            self._waiting.pop(key, None)

    def ticket(self, who: Principal, request: object) -> str:
        """What a call of this id waits for, or waited for last; "" if nobody can say."""
        return self._known.get((who.name, repr(request)), "")
