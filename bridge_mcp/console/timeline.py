"""A conversation as a page shows it: its messages in order, with the tool calls of each turn folded in between."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from msgspec import Struct

from bridge_mcp.console.call_view import Argument, arguments_view, marked
from bridge_mcp.console.markdown import rendered
from bridge_mcp.core.call_history import CallRecord
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.projections import Message
from bridge_mcp.ports import KEPT

__all__ = ["Bubble", "Calls", "ShownCall", "ShownFile", "timeline"]

RESULT = 4_000
"""Characters of a result that are shown."""
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


class ShownFile(Struct, frozen=True):
    """A file of a message. `image`: it lies in the bridge's own store, and may be shown."""

    attachment: Attachment
    index: int
    image: bool


class Bubble(Struct, frozen=True):
    """One message."""

    message: Message
    html: Markup
    files: tuple[ShownFile, ...]
    side: str
    """Whose it is: `theirs` (came in), `assistant`, or `ours` (somebody sent it)."""


class ShownCall(Struct, frozen=True):
    """One tool call, with its arguments and the beginning of its result."""

    record: CallRecord
    arguments: tuple[Argument, ...]
    result: Markup
    left: int


class Calls(Struct, frozen=True):
    """The calls between two messages."""

    calls: tuple[ShownCall, ...]

    @property
    def id(self) -> str:
        """What this fold is called on its page."""
        return f"calls-{self.calls[0].record.seq}"

    @property
    def open(self) -> int:
        """How many of them are not over."""
        return sum(not call.record.outcome for call in self.calls)


def timeline(messages: Sequence[Message], calls: Sequence[CallRecord]) -> list[Bubble | Calls]:
    """Messages and calls in the order of the log; calls that follow each other are one fold."""
    places: list[tuple[int, int, Message | CallRecord]] = [(each.seq, 0, each) for each in messages]
    places += [(each.seq, 1, each) for each in calls]
    items: list[Bubble | Calls] = []
    gathered: list[ShownCall] = []
    for _, _, each in sorted(places, key=lambda place: place[:2]):
        if isinstance(each, CallRecord):
            gathered.append(shown_call(each))
            continue
        if gathered:
            items.append(Calls(tuple(gathered)))
            gathered = []
        items.append(bubble(each))
    return [*items, Calls(tuple(gathered))] if gathered else items


def bubble(message: Message) -> Bubble:
    files = tuple(
        ShownFile(each, index, image=each.ref.startswith(KEPT) and each.mime in IMAGES)
        for index, each in enumerate(message.attachments)
    )
    assistant = message.author.kind == "bot"
    side = "theirs" if message.direction == "in" else "assistant" if assistant else "ours"
    return Bubble(message, rendered(message.text), files, side=side)


def shown_call(record: CallRecord) -> ShownCall:
    result = record.result[:RESULT]
    arguments = arguments_view(record.ran_with or record.arguments, whole=False)
    return ShownCall(record, arguments, marked(result), left=len(record.result) - len(result))
