"""Builds the messages of a conversation for a model, turn by turn, from the entries of a log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import Struct, structs

from bridge_mcp.core.entries import (
    Edited,
    Failed,
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
    Transcribed,
    Withdrawn,
)
from bridge_mcp.core.messages import ChatMessage, files_told, message_tokens, shortened, writer
from bridge_mcp.core.prompt_context import escape_bridge_lines, quotation

__all__ = ["NO_ANNOTATIONS", "Annotations", "Builder", "Turn"]

NOT_RUN = "Not run: the turn was stopped before this call."
LATE = "written while nobody could answer"
CONTINUES = "goes on from the message before"
UNDELIVERED = "your last message before this one was not delivered"
EDITED = "[an earlier message was changed; it says now:]"
MAX_QUOTE = 1_000
"""Characters of a message's quotation."""


@dataclass(slots=True)
class Turn:
    """The messages from one user's message to the next one that opens a turn; `first` is the seq of that message."""

    first: int
    messages: list[ChatMessage] = field(default_factory=list[ChatMessage])
    has_files: bool = False
    heard: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Index and seq of each user message in it. A turn can be cut before one of them too."""
    _tokens: int | None = field(default=None, compare=False)

    def add(self, message: ChatMessage) -> None:
        """Append a message."""
        self.messages.append(message)
        self.has_files = self.has_files or bool(message.attachments)
        self._tokens = None

    def put(self, index: int, message: ChatMessage) -> None:
        """Replace a message."""
        self.messages[index] = message
        self.has_files = self.has_files or bool(message.attachments)
        self._tokens = None

    def copy(self, messages: list[ChatMessage]) -> Turn:
        """The same turn with other messages."""
        return Turn(self.first, messages, self.has_files, heard=[*self.heard])

    def pieces(self) -> list[Turn]:
        """The turn in pieces, each from one user's message to the next; calls and results stay together."""
        begins = [(0, self.first), *((index, seq) for index, seq in self.heard if index)]
        ends = [*(index for index, _ in begins[1:]), len(self.messages)]
        return [
            Turn(seq, self.messages[index:end], self.has_files) for (index, seq), end in zip(begins, ends, strict=True)
        ]

    @property
    def tokens(self) -> int:
        """The estimate for it, worked out once."""
        if self._tokens is None:
            self._tokens = sum(map(message_tokens, self.messages))
        return self._tokens


class Annotations(Struct, frozen=True):
    """What the bridge's own line says of each user message."""

    when: Callable[[float], str] | None = None
    """Formats its time; None: no time."""
    files: str = ""
    """The conversation, where files can be used by their ids."""


NO_ANNOTATIONS = Annotations()


class Builder:
    """Builds turns entry by entry. It runs for every model call, and is written for speed."""

    def __init__(
        self, first: int, cut: Summarised | None, several: bool, result_chars: int, annotations: Annotations
    ) -> None:
        self.cut = cut
        self.settings = (result_chars, annotations)
        self.upto = first
        """The seq of the entry that it reads next."""
        self._turns: list[Turn] = [Turn(first)]
        self._result_chars = result_chars
        self._unread: list[Logged] = []
        self._open: dict[str, tuple[Turn, int]] = {}
        """The place for the result of each call."""
        self._ended = False
        """The next message of a user opens a turn."""
        self._due = False
        """Somebody waits for the assistant's answer, or results for its next step."""
        self._undelivered = ""
        """Why the last message to the chat never reached it."""
        self._asked: set[int] = set()
        self._annotations = annotations
        self._named = several
        self._writer = ""
        self._border = cut.upto if cut else -1
        self._known_from = self._border

    def forget_before(self, seq: int) -> None:
        """Forget entries before this one, which were cleared: later edits of them are ignored."""
        self._known_from = seq

    def take(self, entries: Log) -> bool:
        """Read the next entries. False if a second author appears: this builder must be discarded."""
        for logged in entries:
            entry = logged.entry
            if not self._named and isinstance(entry, Heard):
                if entry.group or entry.sender.id != (self._writer or entry.sender.id):
                    return False
                self._writer = entry.sender.id
            self._take(logged)
            self.upto = logged.seq + 1
        return True

    def finished(self, upto: int | None) -> list[Turn]:
        """The turns, with the messages that nobody has answered yet, up to this seq. Reading can go on after that."""
        before = self._turns, self._unread, self._ended, self._due
        undelivered = self._undelivered
        last = self._turns[-1]
        self._turns = [*self._turns[:-1], last.copy([*last.messages])]
        self._read(upto)
        turns = self._turns
        self._turns, self._unread, self._ended, self._due = before
        self._undelivered = undelivered
        return turns

    def _take(self, logged: Logged) -> None:
        match logged.entry:
            case Heard(to="bridge") | Posted(by=Sender(id="bridge")):
                pass  # commands and their answers
            case Posted(question=Question(call=call)) if call:
                self._asked.add(logged.seq)  # the call holds the question, and its result the answer
            case Heard(answers=int() as question) if question in self._asked:
                pass
            case Heard() | Posted():
                self._unread.append(logged)
            case Withdrawn(message=message):
                self._unread = [unread for unread in self._unread if unread.seq != message]
            case Edited() | Transcribed() as entry:
                self._edited(logged, entry if isinstance(entry, Edited) else Edited(entry.message, entry.text, key=""))
            case Replied() as entry if entry.upto > self._border:
                self._read(entry.upto)
                self._reply(entry)
            case Finished() as entry:
                self._result(entry)
            case Failed(effect="deliver", retry_at=None) as entry:
                self._undelivered = entry.reason
            case Stopped() as entry if entry.upto > self._border:
                self._read(entry.upto)
                if entry.text:
                    self._turns[-1].add(ChatMessage("assistant", entry.text))
                self._ended, self._due = True, False
            case _:
                pass  # of replies and stops: those to what stands before the cut

    def _read(self, upto: int | None) -> None:
        """Add the messages that were read by then; later ones come after the reply that had not read them."""
        later: list[Logged] = []
        for logged in self._unread:
            if upto is not None and logged.seq >= upto:
                later.append(logged)
            elif isinstance(logged.entry, Heard):
                self._heard(logged, logged.entry)
            elif isinstance(logged.entry, Edited):
                self._due = self._due or logged.entry.to == "assistant"
                self._said(logged.seq, ChatMessage("user", escape_bridge_lines(logged.entry.text), about=EDITED))
            elif isinstance(logged.entry, Posted):
                self._posted(logged.seq, logged.entry)
        self._unread = later

    def _posted(self, seq: int, entry: Posted) -> None:
        """A message that others sent to the chat in the assistant's place: for people it is the assistant's own.

        While somebody waits for the assistant's answer it is added as news: a request ends with the message to answer.
        """
        if self._due:
            note = f"[sent to this chat meanwhile by {writer(entry.by)}:]"
            self._said(seq, ChatMessage("user", escape_bridge_lines(entry.text), attachments=entry.files, about=note))
            return
        self._turns[-1].add(ChatMessage("assistant", entry.text, attachments=entry.files))
        self._ended = True

    def _heard(self, logged: Logged, entry: Heard) -> None:
        """Add a user message, with the bridge's own line before it."""
        notes: list[str] = []
        if self._named:
            notes.append(f"from {writer(entry.sender)}")
        if self._annotations.when is not None:
            notes.append(self._annotations.when(logged.at))
        if entry.late:
            notes.append(LATE)
        if self._undelivered:
            notes.append(f"{UNDELIVERED}: {quotation(self._undelivered)}")
            self._undelivered = ""
        if entry.continues is not None:
            notes.append(CONTINUES)
        if entry.forwarded_from:
            notes.append(f"forwarded from {quotation(entry.forwarded_from)}")
        if entry.quote:
            notes.append(f"in reply to {quotation(entry.quote, MAX_QUOTE)}")
        if self._annotations.files and entry.attachments:
            notes.append(files_told(f"{self._annotations.files}#{logged.seq}", entry.attachments))
        note = f"[{'; '.join(notes)}]" if notes else ""
        self._due = self._due or (entry.to == "assistant" and entry.answers is None)
        self._said(
            logged.seq, ChatMessage("user", escape_bridge_lines(entry.text), attachments=entry.attachments, about=note)
        )

    def _said(self, seq: int, message: ChatMessage) -> None:
        """Add a user message; it opens a turn if the one before has ended."""
        if self._ended and self._turns[-1].messages:
            self._turns.append(Turn(seq))
        self._ended = False
        turn = self._turns[-1]
        turn.heard.append((len(turn.messages), seq))
        turn.add(message)

    def _edited(self, logged: Logged, entry: Edited) -> None:
        """Apply an edit: in place while nobody has read the message, else as news after the later messages."""
        for index, before in enumerate(self._unread):
            if before.seq == entry.message and isinstance(before.entry, Heard):
                changed = Logged(before.seq, before.at, structs.replace(before.entry, text=entry.text))
                if entry.to == "off":
                    self._unread[index] = changed
                else:  # it is what is to be answered: it stands where it became that
                    del self._unread[index]
                    now = structs.replace(before.entry, text=entry.text, to=entry.to)
                    self._unread.append(Logged(logged.seq, before.at, now))
                return
            if isinstance(before.entry, Edited) and before.entry.message == entry.message:
                del self._unread[index]  # of many changes only the last one says how it stands
                break
        if entry.message >= self._known_from:
            self._unread.append(logged)

    def _reply(self, entry: Replied) -> None:
        """Add a reply and, directly after it, a place for the result of each of its calls."""
        turn = self._turns[-1]
        if entry.text or entry.calls:
            turn.add(ChatMessage("assistant", entry.text, calls=entry.calls, kept=entry.kept, kept_for=entry.kept_for))
        for call in entry.calls:
            self._open[call.id] = (turn, len(turn.messages))
            turn.add(ChatMessage("tool", NOT_RUN, call=call))
        self._ended, self._due = not entry.calls, bool(entry.calls)

    def _result(self, entry: Finished) -> None:
        place = self._open.pop(entry.call, None)
        if place is not None:
            turn, index = place
            call = turn.messages[index].call
            text = shortened(entry.content, self._result_chars, call) if self._result_chars else entry.content
            turn.put(index, ChatMessage("tool", text, call=call, attachments=entry.attachments))
