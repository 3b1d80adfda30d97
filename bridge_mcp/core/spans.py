"""A conversation's log as spans of traces: one trace for each turn, whatever processes had a part in it.

Nothing is traced while it happens. Every step leaves an entry, and an intent stands before each effect, so the log
tells when each step began and ended: spans are computed from it, as messages and events are. Ids are derived from what
opened the turn, so that every process, and the next engine after a crash, names the same span alike; what a crash cut
off is a span that ends where the next engine found it.

Names follow OpenTelemetry's conventions for generative AI and MCP (open-telemetry/semantic-conventions-genai, status
Development, as of `opentelemetry-semantic-conventions` 0.66b2): `invoke_agent` for a turn, `chat` for a model call,
`execute_tool` for a tool call. What they have no name for begins with `bridge.`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import (
    LOGGED_TRIES,
    Asked,
    Cleared,
    Delivered,
    Edited,
    Failed,
    Finished,
    Heard,
    Judged,
    Log,
    Logged,
    Posted,
    Reminded,
    Replied,
    Requested,
    Reviewed,
    Revised,
    Started,
    Stopped,
    Summarised,
    Voted,
)
from bridge_mcp.core.span_contents import clip, message_parts
from bridge_mcp.core.trace_context import TracedTurn, link_of

__all__ = ["Attribute", "Span", "spans_of"]

Attribute: TypeAlias = str | int | float | bool | tuple[str, ...]


class Span(Struct, frozen=True):
    """One span. Ids are hex digits, times are epoch seconds; `parent` is empty for the first one of its trace."""

    name: str
    trace: str
    id: str
    parent: str
    start: float
    end: float
    closed_by: int
    """The seq of the entry that ends it."""
    kind: Literal["internal", "client", "producer"] = "internal"
    attributes: Mapping[str, Attribute] = msgspec.field(default_factory=dict[str, Attribute])
    error: str = ""
    """What kind of failure it ended with; empty for none."""
    links: tuple[tuple[str, str], ...] = ()
    """Spans of other traces that had a part in it, as trace and span."""
    sampled: bool = True
    """What the client that the trace came from says; a trace of our own is the owner's to sample."""


def spans_of(conversation: str, log: Log, *, contents: bool = False) -> tuple[Span, ...]:
    """The spans that end within a part of a log, in the order of their ends.

    Those of a turn whose beginning is not in this part are left out. `contents`: with what was said, asked for and
    answered.
    """
    return tuple(Reader(conversation, contents).read(log))


@dataclass(slots=True)
class Open:
    """A span that has begun: all of it but its end."""

    turn: TracedTurn
    name: str
    id: tuple[object, ...]
    start: float
    kind: Literal["internal", "client", "producer"] = "internal"
    attributes: dict[str, Attribute] = field(default_factory=dict[str, Attribute])


@dataclass(slots=True)
class Sending:
    """A message on its way out."""

    turn: TracedTurn
    since: float
    due: float
    """When it was to be tried next."""
    tries: int = 1


@dataclass(slots=True)
class Reader:
    """Reads a log entry by entry, and remembers what has begun."""

    conversation: str
    contents: bool
    openings: dict[int, TracedTurn] = field(default_factory=dict[int, TracedTurn])
    calls: dict[str, tuple[TracedTurn, str]] = field(default_factory=dict[str, tuple[TracedTurn, str]])
    """By id: the turn of a call, and its tool."""
    open: dict[tuple[object, ...], Open] = field(default_factory=dict[tuple[object, ...], Open])
    messages: dict[int, Sending] = field(default_factory=dict[int, "Sending"])
    """Messages on their way out, by the seq of their entry."""

    def read(self, log: Log) -> Iterator[Span]:
        for logged in log:
            match logged.entry:
                case Heard() | Edited() | Posted() | Requested() | Revised():
                    self._opened(logged)
                case Started() as e:
                    yield from self._started(logged, e)
                case Replied() | Summarised() | Reviewed() | Failed():
                    yield from self._answered(logged)
                case Asked() | Judged() | Voted() | Reminded() | Finished():
                    yield from self._of_call(logged)
                case Delivered(message=message, status=status):
                    yield from self._tried(logged, message, status)
                case Stopped() | Cleared():
                    yield from self._stopped(logged)
                case _:
                    pass

    # -- turns and messages -----------------------------------------------------------------------------------

    def _opened(self, logged: Logged) -> None:
        turn = TracedTurn(self.conversation, logged)
        match logged.entry:
            case Requested(calls=calls, by=by):
                self.openings[logged.seq] = turn
                self.calls |= {call.id: (turn, call.tool) for call in calls}
                self._turn(turn, by)
            case Heard(to="assistant", sender=sender) as e:
                self.openings[logged.seq] = turn
                attributes = {"gen_ai.input.messages": message_parts("user", e.text)} if self.contents else {}
                self._turn(turn, sender.kind, attributes)
            case Edited():
                self.openings[logged.seq] = turn
                self._turn(turn, "person")
            case Posted() | Revised():
                self.messages[logged.seq] = Sending(turn, logged.at, logged.at)
            case _:
                pass

    def _turn(self, turn: TracedTurn, by: str, more: Mapping[str, Attribute] | None = None) -> None:
        key, attributes = ("turn", turn.opened.seq), {"gen_ai.operation.name": "invoke_agent", "bridge.asked_by": by}
        self.open[key] = Open(
            turn, "invoke_agent", ("turn",), start=turn.opened.at, attributes={**attributes, **(more or {})}
        )

    def _stopped(self, logged: Logged) -> Iterator[Span]:
        """The turns that a stop ends, with all that was under way in them."""
        upto = logged.entry.upto if isinstance(logged.entry, Stopped) else logged.seq
        for key, begun in list(self.open.items()):
            if begun.turn.opened.seq < upto:
                yield self._close(key, logged, error="stopped")

    def _tried(self, logged: Logged, message: int, outcome: str, retry_at: float | None = None) -> Iterator[Span]:
        """A try to send a message, and the sending as a whole, if that was its last one.

        A try is a span from when it was due: the log tells when it ended, and not when it began, so what it waited for
        in the outbox (earlier messages of its chat, the platform's pace, an engine) is part of it.
        """
        sending = self.messages.get(message)
        if sending is None:
            return
        turn, channel, whole = sending.turn, Address.of(self.conversation).channel, ("message", message)
        error = "" if outcome == "sent" else outcome
        extra: dict[str, Attribute] = {"messaging.destination.name": channel, "bridge.outcome": outcome}
        if sending.tries <= LOGGED_TRIES:
            extra["bridge.try"] = sending.tries
        if retry_at is not None:
            extra["bridge.retry_after_s"] = max(0.0, retry_at - logged.at)
        tried = Open(
            turn, f"try {channel}", (*whole, sending.tries), start=sending.due, kind="client", attributes=extra
        )
        yield self._span(tried, logged, error, below=whole)
        if retry_at is not None:
            sending.tries, sending.due = sending.tries + 1, max(logged.at, retry_at)
            return
        del self.messages[message]
        extra = {"messaging.operation.name": "send", "messaging.operation.type": "send",
               "messaging.destination.name": channel}  # fmt: skip
        begun = Open(turn, f"send {channel}", whole, start=sending.since, kind="producer", attributes=extra)
        yield self._span(begun, logged, error, root=isinstance(turn.opened.entry, Posted | Revised))

    # -- models -----------------------------------------------------------------------------------------------

    def _started(self, logged: Logged, e: Started) -> Iterator[Span]:
        turn, tool = self.calls.get(e.call, (None, "")) if e.call else (self.openings.get(e.turn), "")
        if turn is None:
            return
        if e.effect == "tool":
            key, begun = ("call", e.call), tool_span(turn, tool or e.tool, e.call, logged.at)
            begun.attributes |= {"bridge.cleared_by": e.cleared_by}
            if self.contents:
                begun.attributes |= {"gen_ai.tool.call.arguments": clip(e.arguments)}
        else:
            key = ("review", e.call) if e.effect == "review" else ("model", turn.opened.seq)
            begun = Open(turn, "chat", ("model", logged.seq), start=logged.at, kind="client")
            begun.attributes |= {"gen_ai.operation.name": "chat", "bridge.step": STEPS[e.effect]}
        if key in self.open:  # the process that did it is gone, and it is done once more
            cut = self.open[key]
            self.open[key] = replace(cut, id=(*cut.id, "cut off", logged.seq))
            yield self._close(key, logged, error="interrupted")
        self.open[key] = begun

    def _answered(self, logged: Logged) -> Iterator[Span]:
        """The span of the model call that an entry ends, and the turn's, if that is over."""
        match logged.entry:
            case Replied() as e:
                extra: dict[str, Attribute] = {
                    "gen_ai.response.finish_reasons": (e.finish or ("tool_calls" if e.calls else "stop"),)
                }
                if self.contents:
                    extra["gen_ai.output.messages"] = message_parts("assistant", e.text, e.calls, e.finish or "stop")
                yield from self._end(("model", e.turn), logged, "", {**usage_attributes(e), **extra})
                turn = self.openings.get(e.turn)
                if turn is None:
                    return
                self.calls |= {call.id: (turn, call.tool) for call in e.calls}
                if e.text:
                    self.messages[logged.seq] = Sending(turn, logged.at, logged.at)
                if not e.calls:
                    yield from self._end(("turn", e.turn), logged, "", extra)
            case Failed(effect="deliver", ref=ref, retry_at=retry_at):
                yield from self._tried(logged, ref, "failed" if retry_at is None else "again", retry_at)
            case Failed(ref=ref):
                yield from self._end_begun_at(ref, logged, "failed", {})
            case Summarised(ref=ref) as e if ref >= 0:
                yield from self._end_begun_at(ref, logged, "", usage_attributes(e))
            case Summarised() as e:
                yield from self._cut(logged, e)
            case Reviewed() as e:
                yield from self._end(("review", e.call), logged, "", {**usage_attributes(e), "bridge.review": e.says})
            case _:
                pass

    def _cut(self, logged: Logged, e: Summarised) -> Iterator[Span]:
        """Older messages left the model's view without a summary: a step of the turn under way, which takes no time."""
        turns = [begun.turn for key, begun in self.open.items() if key[0] == "turn"]
        if turns:
            attributes: dict[str, Attribute] = {"bridge.step": "Cut", "bridge.before": e.upto}
            cut = Open(turns[-1], "cut", ("cut", logged.seq), start=logged.at, attributes=attributes)
            yield self._span(cut, logged, "")

    def _end_begun_at(self, ref: int, logged: Logged, error: str, more: Mapping[str, Attribute]) -> Iterator[Span]:
        """End the model call whose intent stands at `ref`."""
        for key, begun in list(self.open.items()):
            if begun.id == ("model", ref):
                yield from self._end(key, logged, error, more)

    # -- calls ------------------------------------------------------------------------------------------------

    def _of_call(self, logged: Logged) -> Iterator[Span]:
        match logged.entry:
            case Asked() as e if e.call in self.calls:
                begun = Open(self.calls[e.call][0], f"approval {e.tool}", ("approval", e.call), start=logged.at)
                begun.attributes |= {"gen_ai.tool.name": e.tool, "bridge.requested_by": e.requested_by}
                self.open["approval", e.call] = begun
            case Judged() as e:
                attributes: dict[str, Attribute] = {
                    "bridge.verdict": e.verdict,
                    "bridge.decided_by": e.by,
                    "bridge.via": e.via,
                }
                yield from self._end(("approval", e.call), logged, "", attributes, link_of(e.trace))
            case Voted() as e:
                yield from self._moment(logged, e.call, "vote", {"bridge.decided_by": e.by, "bridge.via": e.via})
            case Reminded() as e:
                yield from self._moment(logged, e.call, "remind", {"bridge.why": e.why})
            case Finished() as e if e.call in self.calls:
                turn, tool = self.calls[e.call]
                if ("call", e.call) not in self.open:  # it never ran
                    self.open["call", e.call] = tool_span(turn, tool, e.call, logged.at)
                attributes = {"bridge.outcome": e.outcome}
                if self.contents:
                    attributes["gen_ai.tool.call.result"] = clip(e.content)
                yield from self._end(("call", e.call), logged, "" if e.outcome == "ok" else e.outcome, attributes)
                if isinstance(turn.opened.entry, Requested) and not self._calls_of(turn):
                    yield from self._end(("turn", turn.opened.seq), logged, "", {})
            case _:
                pass

    def _calls_of(self, turn: TracedTurn) -> bool:
        """Whether calls of a request are under way still."""
        return any(begun.turn is turn and key[0] == "call" for key, begun in self.open.items())

    def _moment(self, logged: Logged, call: str, name: str, attributes: dict[str, Attribute]) -> Iterator[Span]:
        """A step that takes no time."""
        if call in self.calls:
            turn = self.calls[call][0]
            begun = Open(turn, name, (name, logged.seq), start=logged.at, attributes=attributes)
            yield self._span(begun, logged, "")

    # -- ends -------------------------------------------------------------------------------------------------

    def _end(
        self,
        key: tuple[object, ...],
        logged: Logged,
        error: str,
        more: Mapping[str, Attribute],
        links: tuple[tuple[str, str], ...] = (),
    ) -> Iterator[Span]:
        if key in self.open:
            self.open[key].attributes |= more
            yield self._close(key, logged, error=error, links=links)

    def _close(
        self, key: tuple[object, ...], logged: Logged, *, error: str = "", links: tuple[tuple[str, str], ...] = ()
    ) -> Span:
        return self._span(self.open.pop(key), logged, error, root=key[0] == "turn", links=links)

    def _span(
        self,
        begun: Open,
        logged: Logged,
        error: str,
        *,
        root: bool = False,
        below: tuple[object, ...] = ("turn",),
        links: tuple[tuple[str, str], ...] = (),
    ) -> Span:
        turn, model = begun.turn, begun.attributes.get("gen_ai.request.model")
        return Span(
            f"chat {model}" if begun.name == "chat" and model else begun.name,
            turn.trace,
            turn.id(*begun.id),
            parent=turn.parent if root else turn.id(*below),
            start=begun.start,
            end=max(begun.start, logged.at),
            closed_by=logged.seq,
            kind=begun.kind,
            attributes={"gen_ai.conversation.id": self.conversation, **begun.attributes},
            error=error,
            links=links,
            sampled=turn.sampled,
        )


STEPS: Mapping[str, str] = {"model": "CallModel", "summary": "Summarise", "review": "Review"}
"""The step that an intent belongs to."""

LONGEST_NAME = 300
"""Characters of a tool's name: a model may make one up."""


def tool_span(turn: TracedTurn, tool: str, call: str, at: float) -> Open:
    """The span of a tool call, with what MCP's conventions say of it too: there is no second span for the same call."""
    tool = tool[:LONGEST_NAME]
    begun = Open(turn, f"execute_tool {tool}", ("call", call), start=at)
    begun.attributes |= {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.call.id": call,
        "mcp.method.name": "tools/call",
        "bridge.tool_server": tool.partition("__")[0],
    }
    return begun


def usage_attributes(entry: Replied | Summarised | Reviewed) -> dict[str, Attribute]:
    """What a model call took."""
    attributes: dict[str, Attribute] = {
        "gen_ai.usage.input_tokens": entry.usage.input_tokens,
        "gen_ai.usage.output_tokens": entry.usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": entry.usage.cached_tokens,
    }
    if entry.model:
        attributes |= {"gen_ai.request.model": entry.model, "gen_ai.response.model": entry.model}
    return attributes
