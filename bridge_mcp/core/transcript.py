"""The log as the model shall see it, and what it has cost.

The transcript is derived, never stored. Its rules (of the OpenAI chat format, which litellm makes the others from):
results stand directly after their calls, every call has exactly one, messages the model had not read when it answered
come after that answer, and a window begins at a turn's border, so that no result loses its call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bridge_mcp.core.entries import (
    Attachment,
    Call,
    Cleared,
    Finished,
    Heard,
    Log,
    Logged,
    Posted,
    Replied,
    Sender,
    Stopped,
    Usage,
)

__all__ = ["ChatMessage", "transcript", "usage_totals"]

NOT_RUN = "Not run: the turn was stopped before this call."


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a model request. `calls` only on an assistant's, `call` only on a tool's (whose result it is)."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    calls: tuple[Call, ...] = ()
    call: Call | None = None
    attachments: tuple[Attachment, ...] = ()


def transcript(log: Log, *, system: str = "", limit: int = 200) -> tuple[ChatMessage, ...]:
    """The messages of the next model request: the system prompt, then at most about `limit` messages.

    The cut is made at a turn's border, so the last turn is always whole, however long it is.
    """
    builder = Builder(since_cleared(log))
    head = [ChatMessage("system", system)] if system else []
    return (*head, *window(builder.turns, limit))


def since_cleared(log: Log) -> Log:
    """What stands after the last `Cleared`."""
    for index in range(len(log) - 1, -1, -1):
        if isinstance(log[index].entry, Cleared):
            return log[index + 1 :]
    return log


class Builder:
    """Turns of messages, made in one pass over an epoch. This runs for every model call: it is written to be quick."""

    def __init__(self, epoch: Log) -> None:
        self.turns: list[list[ChatMessage]] = [[]]
        self._unread: list[Logged] = []
        self._open: dict[str, tuple[list[ChatMessage], int]] = {}
        """Where the result of each call goes once it comes."""
        self._named = len({e.entry.sender.id for e in epoch if isinstance(e.entry, Heard)}) > 1
        for logged in epoch:
            match logged.entry:
                case Heard(to="bridge") | Posted(by=Sender(id="bridge")):
                    pass  # commands and their answers
                case Heard() | Posted():
                    self._unread.append(logged)
                case Replied() as entry:
                    self._read(entry.upto)
                    self._reply(entry)
                case Finished() as entry:
                    self._result(entry)
                case Stopped() as entry:
                    self._read(entry.upto)
                    if entry.text:
                        self.turns[-1].append(ChatMessage("assistant", entry.text))
                case _:
                    pass
        self._read(None)

    def _read(self, upto: int | None) -> None:
        """Put in what had been read by then; later messages come behind the reply that had not read them."""
        later: list[Logged] = []
        for logged in self._unread:
            if upto is not None and logged.seq >= upto:
                later.append(logged)
            elif isinstance(logged.entry, Heard):
                self._heard(logged.entry)
            elif isinstance(logged.entry, Posted):
                posted = logged.entry
                self.turns[-1].append(ChatMessage("assistant", posted.text, attachments=posted.files))
        self._unread = later

    def _heard(self, entry: Heard) -> None:
        """A chat user's words; with the name in front where several people write."""
        text = f"{entry.sender.name or entry.sender.id}: {entry.text}" if self._named else entry.text
        if self.turns[-1] and self.turns[-1][-1].role == "assistant":
            self.turns.append([])
        self.turns[-1].append(ChatMessage("user", text, attachments=entry.attachments))

    def _reply(self, entry: Replied) -> None:
        """A reply and, directly behind it, a place for the result of each of its calls."""
        turn = self.turns[-1]
        if entry.text or entry.calls:
            turn.append(ChatMessage("assistant", entry.text, calls=entry.calls))
        for call in entry.calls:
            self._open[call.id] = (turn, len(turn))
            turn.append(ChatMessage("tool", NOT_RUN, call=call))

    def _result(self, entry: Finished) -> None:
        turn, index = self._open.pop(entry.call, (None, 0))
        if turn is not None:
            turn[index] = ChatMessage("tool", entry.content, call=turn[index].call, attachments=entry.attachments)


def window(turns: Sequence[Sequence[ChatMessage]], limit: int) -> Iterable[ChatMessage]:
    """The last turns that fit into `limit` messages, and the last one in any case."""
    first = len(turns) - 1
    room = limit - len(turns[first])
    while first > 0 and len(turns[first - 1]) <= room:
        first -= 1
        room -= len(turns[first])
    return [message for turn in turns[first:] for message in turn]


def usage_totals(log: Log) -> Usage:
    """What the replies of a log have cost together; the cost is unknown (None) as soon as one price is."""
    used = [e.entry.usage for e in log if isinstance(e.entry, Replied)]
    costs = [u.cost_usd for u in used]
    return Usage(
        input_tokens=sum(u.input_tokens for u in used),
        output_tokens=sum(u.output_tokens for u in used),
        cached_tokens=sum(u.cached_tokens for u in used),
        cost_usd=None if None in costs else sum(c for c in costs if c is not None),
        latency_s=sum(u.latency_s for u in used),
    )
