"""Trace contexts (W3C Trace Context): read from requests, derived for turns, and passed on to nested servers.

The ids of a turn's spans are derived from what opened it, never random, so that every process, and the next engine
after a crash, names the same span alike without asking anybody.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from msgspec import Struct

from bridge_mcp.core.entries import Edited, Heard, Log, Logged, Posted, Replied, Requested, TraceContext

__all__ = ["TracedTurn", "call_trace", "link_of", "parse_trace"]

TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
"""https://www.w3.org/TR/trace-context/#traceparent-header, version 00."""
MAX_STATE = 512
"""Characters of a `tracestate` that is passed on."""


def parse_trace(meta: Mapping[str, object] | None) -> TraceContext | None:
    """The trace context of a request's `_meta` (`traceparent`, `tracestate`); None where none is valid."""
    parent = meta.get("traceparent") if meta else None
    if not isinstance(parent, str) or not TRACEPARENT.fullmatch(parent):
        return None
    state = meta.get("tracestate") if meta else None
    valid = isinstance(state, str) and len(state) <= MAX_STATE and state.isascii() and state.isprintable()
    return TraceContext(parent, str(state) if valid else "")


class TracedTurn(Struct, frozen=True):
    """What opened a turn, and the ids that follow from it."""

    conversation: str
    opened: Logged

    @property
    def given(self) -> TraceContext | None:
        """The trace context of the client that opened it."""
        entry = self.opened.entry
        return entry.trace if isinstance(entry, Heard | Requested | Posted) else None

    @property
    def trace(self) -> str:
        """The client's trace, or one of the turn's own."""
        header = TRACEPARENT.fullmatch(self.given.parent) if self.given else None
        return header[1] if header else self._derived("trace")[:32]

    @property
    def parent(self) -> str:
        """The client's span."""
        header = TRACEPARENT.fullmatch(self.given.parent) if self.given else None
        return header[2] if header else ""

    @property
    def sampled(self) -> bool:
        """Whether the client records its own part of the trace."""
        return self.given is None or bool(int(self.given.parent[-2:], 16) & 1)

    def id(self, *what: object) -> str:
        """The id of one of its spans."""
        return self._derived(*what)[:16]

    def _derived(self, *what: object) -> str:
        entry = self.opened.entry
        key = entry.key if isinstance(entry, Heard | Edited | Posted) else ""
        text = "\0".join(map(str, (self.conversation, self.opened.seq, key, *what)))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def call_trace(conversation: str, log: Log, call: str, *, traced: bool) -> TraceContext | None:
    """The trace context that a nested server is told with a call: the call's own span, where there is one (`traced`).

    Where this bridge records nothing, the context of the client that opened the turn is passed on as it came.
    """
    turn = turn_of_call(conversation, log, call)
    if turn is None:
        return None
    if not traced:
        return turn.given
    flags = "01" if turn.sampled else "00"
    return TraceContext(f"00-{turn.trace}-{turn.id('call', call)}-{flags}", turn.given.state if turn.given else "")


def turn_of_call(conversation: str, log: Log, call: str) -> TracedTurn | None:
    """The turn that a call belongs to, where its beginning is in this part of the log."""
    for logged in reversed(log):
        match logged.entry:
            case Requested(calls=calls) if any(requested.id == call for requested in calls):
                return TracedTurn(conversation, logged)
            case Replied(calls=calls, turn=opened) if any(requested.id == call for requested in calls):
                opening = next((earlier for earlier in log if earlier.seq == opened), None)
                return TracedTurn(conversation, opening) if opening is not None else None
            case _:
                pass
    return None


def link_of(trace: TraceContext | None) -> tuple[tuple[str, str], ...]:
    """A trace context as a link to its span, as trace and span; nothing for none."""
    header = TRACEPARENT.fullmatch(trace.parent) if trace else None
    return ((header[1], header[2]),) if header else ()
