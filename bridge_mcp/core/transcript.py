"""The log as the model shall see it.

The transcript is derived, never stored. Its rules (of the OpenAI chat format, which litellm makes the others from):
results stand directly after their calls, every call has exactly one, messages the model had not read when it answered
come after that answer. It begins where the last `Cleared` or `Summarised` says, always with the first message of a
turn, so that no result loses its call and the beginning stays the same from turn to turn; `core.window` makes it fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bridge_mcp.core.entries import (
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
from bridge_mcp.core.messages import ChatMessage, files_told, message_tokens, shortened, with_notes, writer
from bridge_mcp.core.surroundings import quoted

__all__ = [
    "SUMMARY",
    "About",
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
LATE = "written while nobody could answer"
EDITED = "[an earlier message was changed; it says now:]"
MOST_QUOTE = 1_000
"""Characters of what a message quotes."""
SUMMARY = "[What was said before, in short, because it no longer fits here:]\n"


@dataclass(slots=True)
class Turn:
    """The messages from one user's message to the next one that opens a turn; `first` is the seq of that message."""

    first: int
    messages: list[ChatMessage] = field(default_factory=list[ChatMessage])
    has_files: bool = False
    _tokens: int | None = field(default=None, compare=False)

    def add(self, message: ChatMessage) -> None:
        self.messages.append(message)
        self.has_files = self.has_files or bool(message.attachments)
        self._tokens = None

    def put(self, index: int, message: ChatMessage) -> None:
        """Another message in the place of one."""
        self.messages[index] = message
        self.has_files = self.has_files or bool(message.attachments)
        self._tokens = None

    @property
    def tokens(self) -> int:
        """The estimate for it, worked out once."""
        if self._tokens is None:
            self._tokens = sum(map(message_tokens, self.messages))
        return self._tokens


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


@dataclass(frozen=True, slots=True)
class About:
    """What is said of each message of a user."""

    when: Callable[[float], str] | None = None
    """Tells its time."""
    files: str = ""
    """The conversation, where files can be used by their ids."""


NOTHING_MORE = About()


def transcript(log: Log, *, system: str = "") -> tuple[ChatMessage, ...]:
    """All that the model may see, behind the system prompt."""
    head = [ChatMessage("system", system)] if system else []
    return (*head, *past(log).messages())


def past(
    log: Log,
    *,
    upto: int | None = None,
    result_chars: int = 0,
    image_turns: int | None = None,
    images: bool = True,
    pdfs: bool = True,
    about: About = NOTHING_MORE,
) -> Past:
    """The model's view of a log, or of a tail of one. `Memory.past` says what the arguments are."""
    return Memory().past(
        log,
        upto=upto,
        result_chars=result_chars,
        image_turns=image_turns,
        images=images,
        pdfs=pdfs,
        about=about,
    )


class Memory:
    """The model's view of one conversation, kept from call to call: of a long past only what is new is read.

    What it answers is what a new one would answer; it only takes longer to be made from nothing.
    """

    def __init__(self) -> None:
        self._builder: Builder | None = None
        self._tail = -1
        """The first seq of the log as it was given last."""
        self._whole = True

    def past(
        self,
        log: Log,
        *,
        upto: int | None = None,
        result_chars: int = 0,
        image_turns: int | None = None,
        images: bool = True,
        pdfs: bool = True,
        about: About = NOTHING_MORE,
    ) -> Past:
        """The model's view of a log, or of a tail of one.

        Args:
            log: the same conversation's as before, as it is now.
            upto: messages with this seq and later ones are left to the next turn; None: none are.
            result_chars: characters of a tool's result that are shown; 0: all of them.
            image_turns: of how many last turns images and PDFs are shown; None: of all.
            images: whether images are shown at all; where not, a note stands in their place.
            pdfs: the same of PDFs.
            about: what is said of a message beside what it answers, and who wrote it where several do.
        """
        builder = self._read(log, result_chars, about)
        turns = builder.finished(upto)
        shown_from = 0 if image_turns is None else len(turns) - image_turns
        for number, turn in enumerate(turns):
            if turn.has_files:
                recent = number >= shown_from
                noted = [with_notes(message, images, pdfs, recent=recent) for message in turn.messages]
                turns[number] = Turn(turn.first, noted, has_files=True)
        return Past(tuple(turns), builder.cut.text if builder.cut else "", self._whole)

    def _read(self, log: Log, result_chars: int, about: About) -> Builder:
        """The builder that has read this log: the one there is, if it has read the beginning of what is in view now."""
        kept = self._builder
        if kept is not None and log and self._tail == log[0].seq and kept.settings == (result_chars, about):
            new = log[kept.upto - self._tail :]
            cut = any(isinstance(logged.entry, Cleared | Summarised) for logged in new)
            if kept.upto <= log[-1].seq + 1 and not cut and kept.take(new):
                return kept
        epoch, cut, self._whole = in_view(log)
        builder = Builder(epoch[0].seq if epoch else 0, cut, written_by_several(epoch), result_chars, about)
        builder.take(epoch)
        self._tail = log[0].seq if log else -1
        self._builder = builder if epoch else None
        return builder


def written_by_several(epoch: Log) -> bool:
    """Whether messages say who wrote them."""
    heard = [e.entry for e in epoch if isinstance(e.entry, Heard)]
    return any(e.group for e in heard) or len({e.sender.id for e in heard}) > 1


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
    """Turns of messages, made entry by entry. This runs for every model call: it is written to be quick."""

    def __init__(self, first: int, cut: Summarised | None, several: bool, result_chars: int, about: About) -> None:
        self.cut = cut
        self.settings = (result_chars, about)
        self.upto = first
        """The seq of the entry that it reads next."""
        self._turns: list[Turn] = [Turn(first)]
        self._result_chars = result_chars
        self._unread: list[Logged] = []
        self._open: dict[str, tuple[Turn, int]] = {}
        """Where the result of each call goes once it comes."""
        self._ended = False
        """The next message of a user opens a turn."""
        self._asked: set[int] = set()
        self._about = about
        self._named = several
        self._writer = ""
        self._border = cut.upto if cut else -1

    def take(self, entries: Log) -> bool:
        """Read what comes next; False, and this is of no use any more, where that shows a second writer."""
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
        kept = self._turns, self._unread, self._ended
        last = self._turns[-1]
        self._turns = [*self._turns[:-1], Turn(last.first, [*last.messages], last.has_files)]
        self._read(upto)
        turns = self._turns
        self._turns, self._unread, self._ended = kept
        return turns

    def _take(self, logged: Logged) -> None:
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
                    self._turns[-1].add(ChatMessage("assistant", entry.text))
                self._ended = True
            case _:
                pass  # of replies and stops: those to what stands before the cut

    def _read(self, upto: int | None) -> None:
        """Put in what had been read by then; later messages come behind the reply that had not read them."""
        later: list[Logged] = []
        for logged in self._unread:
            if upto is not None and logged.seq >= upto:
                later.append(logged)
            elif isinstance(logged.entry, Heard):
                self._heard(logged, logged.entry)
            elif isinstance(logged.entry, Edited):
                self._said(logged.seq, ChatMessage("user", logged.entry.text, about=EDITED))
            elif isinstance(logged.entry, Posted):
                posted = logged.entry
                self._turns[-1].add(ChatMessage("assistant", posted.text, attachments=posted.files))
                self._ended = True
        self._unread = later

    def _heard(self, logged: Logged, entry: Heard) -> None:
        """A chat user's words, behind what is to be known of them."""
        notes: list[str] = []
        if self._named:
            notes.append(f"from {writer(entry.sender)}")
        if self._about.when is not None:
            notes.append(self._about.when(logged.at))
        if entry.late:
            notes.append(LATE)
        if entry.forwarded_from:
            notes.append(f"forwarded from {quoted(entry.forwarded_from)}")
        if entry.quote:
            notes.append(f"in reply to {quoted(entry.quote, MOST_QUOTE)}")
        if self._about.files and entry.attachments:
            notes.append(files_told(f"{self._about.files}#{logged.seq}", entry.attachments))
        about = f"[{'; '.join(notes)}]" if notes else ""
        self._said(logged.seq, ChatMessage("user", entry.text, attachments=entry.attachments, about=about))

    def _said(self, seq: int, message: ChatMessage) -> None:
        """A user's message; it opens a turn where the one before has come to its end."""
        if self._ended and self._turns[-1].messages:
            self._turns.append(Turn(seq))
        self._ended = False
        self._turns[-1].add(message)

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
        turn = self._turns[-1]
        if entry.text or entry.calls:
            turn.add(ChatMessage("assistant", entry.text, calls=entry.calls))
        for call in entry.calls:
            self._open[call.id] = (turn, len(turn.messages))
            turn.add(ChatMessage("tool", NOT_RUN, call=call))
        self._ended = not entry.calls

    def _result(self, entry: Finished) -> None:
        place = self._open.pop(entry.call, None)
        if place is not None:
            turn, index = place
            call = turn.messages[index].call
            text = shortened(entry.content, self._result_chars, call) if self._result_chars else entry.content
            turn.put(index, ChatMessage("tool", text, call=call, attachments=entry.attachments))


def turn_tokens(turn: Turn) -> int:
    """The estimate for a turn."""
    return turn.tokens
