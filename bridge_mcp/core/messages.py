"""One message of a model request: its contents, its tokens, and how it is shortened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.core.attachments import gone_note, is_pdf, is_text, unseen
from bridge_mcp.core.entries import Attachment, Call, Sender
from bridge_mcp.core.prompt_context import quotation
from bridge_mcp.core.token_estimate import AROUND, calls_tokens, files_tokens, tokens_of
from bridge_mcp.core.tools import READ_RESULT

__all__ = [
    "ChatMessage",
    "files_told",
    "message_tokens",
    "shortened",
    "with_later_files_noted",
    "with_notes",
    "without_files",
    "writer",
]


class ChatMessage(Struct, frozen=True):
    """One message of a model request. `calls` only on an assistant's, `call` only on a tool's (whose result it is)."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    calls: tuple[Call, ...] = ()
    call: Call | None = None
    attachments: tuple[Attachment, ...] = ()
    about: str = ""
    """The bridge's own line before the text: who wrote it and when, what it replies to."""
    kept: str = ""
    """Of an assistant's message: see `Replied.kept`; `kept_for` is the only model that is sent it."""
    kept_for: str = ""

    @property
    def told(self) -> str:
        """The text, after the bridge's own line."""
        return f"{self.about}\n{self.text}" if self.about and self.text else self.about or self.text


def message_tokens(message: ChatMessage) -> int:
    """The estimate for one message; see `core.token_estimate`."""
    return (
        AROUND
        + tokens_of(message.told)
        + (tokens_of(message.kept) if message.kept else 0)
        + (calls_tokens(message.calls) if message.calls else 0)
        + (files_tokens(message.attachments, texts=message.role == "user") if message.attachments else 0)
    )


def shortened(text: str, chars: int, call: Call | None = None) -> str:
    """About `chars` characters of a text, and how to get the rest: for a result of `call`, by its handle."""
    if len(text) <= chars or (call is not None and call.tool == READ_RESULT and len(text) <= chars + 100):
        return text
    rest = f'; the rest: {READ_RESULT}(handle="{call.id}", offset={chars})' if call is not None else ""
    return f"{text[:chars]}\n[shortened to its first {chars} characters{rest}]"


def with_notes(message: ChatMessage, images: bool, pdfs: bool, *, recent: bool) -> ChatMessage:
    """The message with a note in place of each image and PDF that cannot be shown, or no longer is."""
    notes: list[str] = []
    shown: list[Attachment] = []
    for file in message.attachments:
        able = None if is_text(file) else images if file.kind == "image" else pdfs if is_pdf(file) else None
        if able is None or (able and recent):
            shown.append(file)
        else:
            notes.append(gone_note(file) if able else unseen(file))
    return add_notes(message, notes, shown)


def with_later_files_noted(message: ChatMessage, later: Set[str]) -> ChatMessage:
    """The message with a note in place of each file that a later message shows too."""
    notes = [gone_note(file) for file in message.attachments if file.ref in later]
    return add_notes(message, notes, [file for file in message.attachments if file.ref not in later])


def without_files(message: ChatMessage) -> ChatMessage:
    """The message with a note in place of each file."""
    return add_notes(message, [unseen(file, "no room") for file in message.attachments], ())


def add_notes(message: ChatMessage, notes: Sequence[str], files: Iterable[Attachment]) -> ChatMessage:
    """The message with these notes behind its text, and only these files; as it is without any note."""
    if not notes:
        return message
    return replace(message, text="\n".join(filter(None, (message.text, *notes))), attachments=tuple(files))


def writer(sender: Sender) -> str:
    """Who wrote a message, for a model: the name, which anybody can choose, and what nobody can."""
    if sender.kind == "person":
        return (
            f"{quotation(sender.name)} (id {quotation(sender.id)[1:-1]})"
            if sender.name
            else f"id {quotation(sender.id)}"
        )
    return f"{quotation(sender.name or sender.id)} ({'the owner' if sender.kind == 'owner' else f'a {sender.kind}'})"


def kind_told(file: Attachment) -> str:
    return f"{file.kind} of the message it replies to" if file.quoted else file.kind


def files_told(message: str, files: Sequence[Attachment]) -> str:
    """The ids by which the files of a message can be used."""
    ids = [f"{quotation(f'{message}/{index}')} ({kind_told(file)})" for index, file in enumerate(files)]
    return f"files: {', '.join(ids)}" if ids else ""
