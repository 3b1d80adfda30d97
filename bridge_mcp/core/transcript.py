"""The transcript: the log as messages for the model.

It is derived, never stored. Its rules (of the OpenAI chat format, which litellm converts to the others): results come
directly after their calls, every call has exactly one, messages the model had not read when it answered come after that
answer. It begins where the last `Cleared` or `Summarised` says, always with the first message of a turn, so that no
result loses its call and the beginning stays the same from turn to turn; `core.window` makes it fit.
"""

from __future__ import annotations

from itertools import chain

from msgspec import Struct

from bridge_mcp.core.entries import (
    Cleared,
    Forgot,
    Heard,
    Log,
    Summarised,
)
from bridge_mcp.core.messages import ChatMessage, message_tokens, shortened, with_later_files_noted, with_notes
from bridge_mcp.core.turns import NO_ANNOTATIONS, Annotations, Builder, Turn

__all__ = [
    "SUMMARY",
    "Annotations",
    "ChatMessage",
    "ModelView",
    "TranscriptBuilder",
    "Turn",
    "in_view",
    "message_tokens",
    "past",
    "shortened",
    "since_cleared",
    "transcript",
    "view_begins_at",
]

SUMMARY = "[What was said before, in short, because it no longer fits here:]\n"


class ModelView(Struct, frozen=True):
    """The part of a conversation that the model may see."""

    turns: tuple[Turn, ...]
    """At least one; the last is the current one. Only the first may be empty."""
    summary: str = ""
    """What stands in place of everything before them."""
    whole: bool = True
    """False if the log's tail begins later than the model's view, so that something is missing before the first
    turn."""

    def pieces(self) -> list[Turn]:
        """The turns, each in pieces from one user's message to the next: before any of them the past can be cut."""
        return list(chain.from_iterable(turn.pieces() for turn in self.turns))

    def messages(self) -> tuple[ChatMessage, ...]:
        """In order; the summary is a user message, because some models accept one system message only."""
        summary_message = [ChatMessage("user", SUMMARY + self.summary)] if self.summary else []
        return (*summary_message, *chain.from_iterable(turn.messages for turn in self.turns))


def transcript(log: Log, *, system: str = "") -> tuple[ChatMessage, ...]:
    """All messages that the model may see, after the system prompt."""
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
    annotations: Annotations = NO_ANNOTATIONS,
) -> ModelView:
    """The model's view of a log, or of a tail of one. `TranscriptBuilder.past` says what the arguments are."""
    return TranscriptBuilder().past(
        log,
        upto=upto,
        result_chars=result_chars,
        image_turns=image_turns,
        images=images,
        pdfs=pdfs,
        annotations=annotations,
    )


class TranscriptBuilder:
    """Builds the model's view of one conversation, incrementally: each time it reads new entries only.

    A new builder gives the same result; it only takes longer.
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
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> ModelView:
        """The model's view of a log, or of a tail of one.

        Args:
            log: the current log of the same conversation as before.
            upto: messages from this seq on are left to the next turn; None: none are.
            result_chars: characters of a tool's result that are shown; 0: all of them.
            image_turns: in how many last turns images and PDFs are shown; None: in all.
            images: whether images are shown at all; if not, as notes.
            pdfs: the same for PDFs.
            annotations: what the bridge's own line says of a message.
        """
        builder = self._read(log, result_chars, annotations)
        turns = builder.finished(upto)
        shown_from = 0 if image_turns is None else len(turns) - image_turns
        later: set[str] = set()
        for number in range(len(turns) - 1, -1, -1):
            turn = turns[number]
            if turn.has_files:
                recent = number >= shown_from
                noted = [with_notes(message, images, pdfs, recent=recent) for message in turn.messages]
                turns[number] = turn.copy(show_files_once(noted, later))
        return ModelView(tuple(turns), builder.cut.text if builder.cut else "", self._whole)

    def _read(self, log: Log, result_chars: int, annotations: Annotations) -> Builder:
        """The builder that has read this log: the one there is, if it has read the beginning of what is in view now."""
        current = self._builder
        if current is not None and log and self._tail == log[0].seq and current.settings == (result_chars, annotations):
            new = log[current.upto - self._tail :]
            cut = any(isinstance(logged.entry, Cleared | Summarised | Forgot) for logged in new)
            if current.upto <= log[-1].seq + 1 and not cut and current.take(new):
                return current
        epoch, cut, self._whole = in_view(log)
        builder = Builder(epoch[0].seq if epoch else 0, cut, has_several_authors(epoch), result_chars, annotations)
        if cut is None and len(epoch) < len(log):
            builder.forget_before(builder.upto)
        builder.take(epoch)
        self._tail = log[0].seq if log else -1
        self._builder = builder if epoch else None
        return builder


def show_files_once(messages: list[ChatMessage], later: set[str]) -> list[ChatMessage]:
    """The messages, in which a file that a reply brings again is shown there alone. Adds those of this turn."""
    kept_messages: list[ChatMessage] = []
    for message in reversed(messages):
        kept_messages.append(with_later_files_noted(message, later) if later else message)
        later.update(attachment.ref for attachment in message.attachments if attachment.quoted)
    return kept_messages[::-1]


def has_several_authors(epoch: Log) -> bool:
    """Whether messages say who wrote them."""
    heard = [e.entry for e in epoch if isinstance(e.entry, Heard)]
    return any(e.group for e in heard) or len({e.sender.id for e in heard}) > 1


def view_begins_at(log: Log) -> int:
    """The lowest seq that the model's view needs: the last cut or clearing; 0 if the log shows neither."""
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
    """The entries after the last clearing and cut, that cut, and whether they are complete."""
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
    """The entries after the last `Cleared`."""
    for index in range(len(log) - 1, -1, -1):
        if isinstance(log[index].entry, Cleared):
            return log[index + 1 :]
    return log
