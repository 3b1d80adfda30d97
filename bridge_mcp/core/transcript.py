"""The log as the model shall see it.

The transcript is derived, never stored. Its rules (of the OpenAI chat format, which litellm makes the others from):
results stand directly after their calls, every call has exactly one, messages the model had not read when it answered
come after that answer. It begins where the last `Cleared` or `Summarised` says, always with the first message of a
turn, so that no result loses its call and the beginning stays the same from turn to turn; `core.window` makes it fit.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Literal

from bridge_mcp.core.entries import (
    Attachment,
    Call,
    Cleared,
    Edited,
    Finished,
    Heard,
    Log,
    Logged,
    Posted,
    Question,
    Replied,
    Sender,
    Stopped,
    Summarised,
)
from bridge_mcp.core.tokens import AROUND, calls_tokens, files_tokens, tokens_of
from bridge_mcp.core.tools import READ_RESULT
from bridge_mcp.core.visible import visible

__all__ = [
    "SUMMARY",
    "ChatMessage",
    "Past",
    "Turn",
    "begins_at",
    "in_view",
    "message_tokens",
    "past",
    "shortened",
    "since_cleared",
    "transcript",
    "turn_tokens",
]

NOT_RUN = "Not run: the turn was stopped before this call."
LATE = "[written earlier, while nobody could answer] "
EDITED = "[an earlier message was changed; it says now:] "
NOTES = frozenset('"[](){}<>:⏎')
"""What our own notes are made of."""
SUMMARY = "[What was said before, in short, because it no longer fits here:]\n"


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a model request. `calls` only on an assistant's, `call` only on a tool's (whose result it is)."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    calls: tuple[Call, ...] = ()
    call: Call | None = None
    attachments: tuple[Attachment, ...] = ()


@dataclass(slots=True)
class Turn:
    """The messages from one user's message to the next one that opens a turn; `first` is the seq of that message."""

    first: int
    messages: list[ChatMessage] = field(default_factory=list[ChatMessage])


@dataclass(frozen=True, slots=True)
class Past:
    """What the model may see of a conversation."""

    turns: tuple[Turn, ...]
    """At least one; the last is the one under way. Only the first may be empty."""
    summary: str = ""
    """What stands in place of everything before them."""
    whole: bool = True
    """False where the log's tail begins later than the model's view: something is missing before the first turn."""

    def messages(self) -> tuple[ChatMessage, ...]:
        """In order; the summary is told as a user's words, because some models take one system message only."""
        told = [ChatMessage("user", SUMMARY + self.summary)] if self.summary else []
        return (*told, *(message for turn in self.turns for message in turn.messages))


def transcript(log: Log, *, system: str = "") -> tuple[ChatMessage, ...]:
    """All that the model may see, behind the system prompt."""
    head = [ChatMessage("system", system)] if system else []
    return (*head, *past(log).messages())


def past(log: Log, *, upto: int | None = None, result_chars: int = 0, image_turns: int | None = None) -> Past:
    """The model's view of a log, or of a tail of one.

    Args:
        upto: messages with this seq and later ones are left to the next turn; None: none are.
        result_chars: characters of a tool's result that are shown; 0: all of them.
        image_turns: of how many last turns the images are shown; None: of all.
    """
    epoch, cut, whole = in_view(log)
    builder = Builder(epoch, cut, upto, result_chars)
    if image_turns is not None:
        for turn in builder.turns[: max(0, len(builder.turns) - image_turns)]:
            turn.messages = [without_images(message) for message in turn.messages]
    return Past(tuple(builder.turns), cut.text if cut else "", whole)


def begins_at(log: Log) -> int:
    """The lowest seq that the model's view needs: where the last cut or clearing is; 0 where the log shows neither."""
    for logged in reversed(log):
        match logged.entry:
            case Cleared():
                return logged.seq
            case Summarised(upto=upto):
                return upto
            case _:
                pass
    return 0


def in_view(log: Log) -> tuple[Log, Summarised | None, bool]:
    """What stands after the last clearing and the last cut within it, that cut, and whether that is all of it."""
    for index in range(len(log) - 1, -1, -1):
        match log[index].entry:
            case Cleared():
                return log[index + 1 :], None, True
            case Summarised(upto=upto) as entry:
                before = upto - log[0].seq
                return log[max(0, before) :], entry, before >= 0
            case _:
                pass
    return log, None, not log or log[0].seq == 0


def since_cleared(log: Log) -> Log:
    """What stands after the last `Cleared`."""
    for index in range(len(log) - 1, -1, -1):
        if isinstance(log[index].entry, Cleared):
            return log[index + 1 :]
    return log


class Builder:
    """Turns of messages, made in one pass over an epoch. This runs for every model call: it is written to be quick."""

    def __init__(self, epoch: Log, cut: Summarised | None, upto: int | None, result_chars: int) -> None:
        self.turns: list[Turn] = [Turn(epoch[0].seq if epoch else 0)]
        self._result_chars = result_chars
        self._unread: list[Logged] = []
        self._open: dict[str, tuple[Turn, int]] = {}
        """Where the result of each call goes once it comes."""
        self._ended = False
        """The next message of a user opens a turn."""
        self._asked: set[int] = set()
        self._names = names_of(epoch)
        self._border = cut.upto if cut else -1
        for logged in epoch:
            match logged.entry:
                case Heard(to="bridge") | Posted(by=Sender(id="bridge")):
                    pass  # commands and their answers
                case Posted(question=Question(call=call)) if call:
                    self._asked.add(logged.seq)  # the call says what was asked, and its result what was answered
                case Heard(answers=int() as question) if question in self._asked:
                    pass
                case Heard() | Posted():
                    self._unread.append(logged)
                case Edited() as entry:
                    self._edited(logged, entry)
                case Replied() as entry if entry.upto > self._border:
                    self._read(entry.upto)
                    self._reply(entry)
                case Finished() as entry:
                    self._result(entry)
                case Stopped() as entry if entry.upto > self._border:
                    self._read(entry.upto)
                    if entry.text:
                        self.turns[-1].messages.append(ChatMessage("assistant", entry.text))
                    self._ended = True
                case _:
                    pass  # of replies and stops: those to what stands before the cut
        self._read(upto)

    def _read(self, upto: int | None) -> None:
        """Put in what had been read by then; later messages come behind the reply that had not read them."""
        later: list[Logged] = []
        for logged in self._unread:
            if upto is not None and logged.seq >= upto:
                later.append(logged)
            elif isinstance(logged.entry, Heard):
                self._heard(logged.seq, logged.entry)
            elif isinstance(logged.entry, Edited):
                self._said(logged.seq, ChatMessage("user", EDITED + logged.entry.text))
            elif isinstance(logged.entry, Posted):
                posted = logged.entry
                self.turns[-1].messages.append(ChatMessage("assistant", posted.text, attachments=posted.files))
                self._ended = True
        self._unread = later

    def _heard(self, seq: int, entry: Heard) -> None:
        """A chat user's words; with the name in front where several people write."""
        notes = [
            LATE if entry.late else "",
            f"[forwarded from {label(entry.forwarded_from)}] " if entry.forwarded_from else "",
            f"[in reply to: {label(entry.quote)}] " if entry.quote else "",
            f"{self._names[entry.sender.id]}: " if self._names else "",
        ]
        self._said(seq, ChatMessage("user", "".join(notes) + entry.text, attachments=entry.attachments))

    def _said(self, seq: int, message: ChatMessage) -> None:
        """A user's message; it opens a turn where the one before has come to its end."""
        if self._ended and self.turns[-1].messages:
            self.turns.append(Turn(seq))
        self._ended = False
        self.turns[-1].messages.append(message)

    def _edited(self, logged: Logged, entry: Edited) -> None:
        """Another text for a message: in its place while nobody has read that, else behind what was said since."""
        for index, before in enumerate(self._unread):
            if before.seq == entry.message and isinstance(before.entry, Heard):
                self._unread[index] = Logged(before.seq, before.at, replace(before.entry, text=entry.text))
                return
        if entry.message >= self._border:
            self._unread.append(logged)

    def _reply(self, entry: Replied) -> None:
        """A reply and, directly behind it, a place for the result of each of its calls."""
        turn = self.turns[-1]
        if entry.text or entry.calls:
            turn.messages.append(ChatMessage("assistant", entry.text, calls=entry.calls))
        for call in entry.calls:
            self._open[call.id] = (turn, len(turn.messages))
            turn.messages.append(ChatMessage("tool", NOT_RUN, call=call))
        self._ended = not entry.calls

    def _result(self, entry: Finished) -> None:
        place = self._open.pop(entry.call, None)
        if place is not None:
            turn, index = place
            call = turn.messages[index].call
            text = shortened(entry.content, self._result_chars, call) if self._result_chars else entry.content
            turn.messages[index] = ChatMessage("tool", text, call=call, attachments=entry.attachments)


def names_of(epoch: Log) -> dict[str, str]:
    """By id, how the model is told who writes; nothing where only one person does. No two are called the same."""
    senders = {e.entry.sender.id: e.entry.sender for e in epoch if isinstance(e.entry, Heard)}
    if len(senders) < 2:
        return {}
    names = {who: label(sender.name or who) for who, sender in senders.items()}
    often = Counter(name.casefold() for name in names.values())
    return {who: f"{name} ({label(who)})" if often[name.casefold()] > 1 else name for who, name in names.items()}


def label(text: str) -> str:
    """Somebody's own words within a note of ours: on one line, and in quotes where they could end or imitate it."""
    shown = visible(text)
    return json.dumps(shown, ensure_ascii=False) if any(char in NOTES for char in shown) else shown


def shortened(text: str, chars: int, call: Call | None = None) -> str:
    """At most about `chars` characters of a text, and how to get at the rest: of a result of `call`, by its handle."""
    if len(text) <= chars or (call is not None and call.tool == READ_RESULT and len(text) <= chars + 100):
        return text
    rest = f'; the rest: {READ_RESULT}(handle="{call.id}", offset={chars})' if call is not None else ""
    return f"{text[:chars]}\n[shortened to its first {chars} characters{rest}]"


def without_images(message: ChatMessage) -> ChatMessage:
    """The message with a note in place of each image."""
    images = [each for each in message.attachments if each.kind == "image"]
    if not images:
        return message
    notes = [f"[an image was here: {each.name or each.mime or 'without a name'}]" for each in images]
    others = tuple(each for each in message.attachments if each.kind != "image")
    return replace(message, text="\n".join([*([message.text] if message.text else []), *notes]), attachments=others)


def message_tokens(message: ChatMessage) -> int:
    """The estimate for one message; see `core.tokens`."""
    return (
        AROUND
        + tokens_of(message.text)
        + (calls_tokens(message.calls) if message.calls else 0)
        + (files_tokens(message.attachments) if message.attachments else 0)
    )


def turn_tokens(turn: Turn) -> int:
    """The estimate for a turn."""
    return sum(map(message_tokens, turn.messages))
