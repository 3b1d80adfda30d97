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
    epoch = since_cleared(log)
    results = {e.entry.call: e.entry for e in epoch if isinstance(e.entry, Finished)}
    named = len({e.entry.sender.id for e in epoch if isinstance(e.entry, Heard)}) > 1
    turns: list[list[ChatMessage]] = [[]]
    for logged in in_reading_order(epoch):
        entry = logged.entry
        match entry:
            case Heard():
                if turns[-1] and turns[-1][-1].role == "assistant":
                    turns.append([])
                turns[-1].append(heard_message(entry, named))
            case Replied():
                turns[-1].extend(reply_messages(entry, results))
            case Posted(text=text, files=files):
                turns[-1].append(ChatMessage("assistant", text, attachments=files))
            case Stopped(text=text) if text:
                turns[-1].append(ChatMessage("assistant", text))
            case _:
                pass
    head = [ChatMessage("system", system)] if system else []
    return (*head, *window(turns, limit))


def since_cleared(log: Log) -> Log:
    """What stands after the last `Cleared`."""
    for index in range(len(log) - 1, -1, -1):
        if isinstance(log[index].entry, Cleared):
            return log[index + 1 :]
    return log


def in_reading_order(log: Log) -> Iterable[Logged]:
    """The log with every message moved behind the reply that had not read it yet."""
    unread: list[Logged] = []
    for logged in log:
        match logged.entry:
            case Heard() | Posted():
                unread.append(logged)
            case Replied(upto=upto):
                yield from (waiting for waiting in unread if waiting.seq < upto)
                unread = [waiting for waiting in unread if waiting.seq >= upto]
                yield logged
            case Stopped(upto=upto):
                yield from (waiting for waiting in unread if waiting.seq < upto)
                unread = [waiting for waiting in unread if waiting.seq >= upto]
                yield logged
            case _:
                pass
    yield from unread


def heard_message(entry: Heard, named: bool) -> ChatMessage:
    """A chat user's words; with the name in front where several people write."""
    text = f"{entry.sender.name or entry.sender.id}: {entry.text}" if named else entry.text
    return ChatMessage("user", text, attachments=entry.attachments)


def reply_messages(entry: Replied, results: dict[str, Finished]) -> Iterable[ChatMessage]:
    """A reply and, directly behind it, one result for each of its calls."""
    if entry.text or entry.calls:
        yield ChatMessage("assistant", entry.text, calls=entry.calls)
    for call in entry.calls:
        result = results.get(call.id)
        if result is None:
            yield ChatMessage("tool", NOT_RUN, call=call)
        else:
            yield ChatMessage("tool", result.content, call=call, attachments=result.attachments)


def window(turns: Sequence[Sequence[ChatMessage]], limit: int) -> Iterable[ChatMessage]:
    """The last turns that fit into `limit` messages, and the last one in any case."""
    first = len(turns) - 1
    room = limit - len(turns[first])
    while first > 0 and len(turns[first - 1]) <= room:
        first -= 1
        room -= len(turns[first])
    for turn in turns[first:]:
        yield from turn


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
