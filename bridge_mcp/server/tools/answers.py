"""The results of tools about chats, approvals and tickets: pydantic models that read the core's values by field name.

Times are ISO 8601 in UTC with milliseconds, which models and programs both read; null for none. JSON that the bridge
stores as text (arguments, schemas, structured results) becomes JSON values. A field without a default is always
present; one with a default is left out if it has that value. Knows neither principals nor transports.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from bridge_mcp.core.entries import Button
from bridge_mcp.core.json_reader import JSON
from bridge_mcp.core.token_estimate import tokens_of
from bridge_mcp.core.tools import WHOLE_JSON, WHOLE_TEXT
from bridge_mcp.server.tools.excerpts import MAX_TOKENS, json_shown, shortened

__all__ = [
    "Answer",
    "Approval",
    "ApprovalPage",
    "Call",
    "ConversationPage",
    "Decided",
    "Decision",
    "EventPage",
    "FetchedFile",
    "Instant",
    "Message",
    "MessagePage",
    "MessageSearch",
    "ResponderSet",
    "Sent",
    "Ticket",
    "instant",
]

MIN_TOKENS = 2_000
"""Tokens of a structured result that are shown, however long the text beside it is."""

RESULT_CHARS = 2_000
"""Characters of a call's result that are shown; the log has all of it."""


def instant(seconds: float | None) -> str | None:
    """Epoch seconds as text; None for 0, which the bridge uses for never and unknown."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"


def labels(buttons: Sequence[Button]) -> list[str]:
    """The texts of buttons, in order."""
    return [each.label for each in buttons]


Instant: TypeAlias = Annotated[str | None, BeforeValidator(instant)]


class Answer(BaseModel):
    """The structured content of a tool's result, or an object in it."""

    model_config = ConfigDict(from_attributes=True, defer_build=True)

    @classmethod
    def of(cls, known: object) -> Self:
        """The answer for a value of the core, or for a mapping of field names to such values."""
        return cls.model_validate(known)

    def as_json(self) -> dict[str, Any]:
        """The JSON object, without fields that have their default."""
        return self.model_dump(by_alias=True, exclude_defaults=True)


# -- chats ---------------------------------------------------------------------------------------------------


class Conversation(Answer):
    """One chat of a list. `responder` is null where the config decides."""

    id: str
    channel: str
    title: str
    responder: str | None
    messages: int
    last_at: Instant
    last_text: str


class ConversationPage(Answer):
    """`cursor` is empty at the end."""

    conversations: list[Conversation]
    cursor: str


class Sender(Answer):
    """Who wrote a message. `kind` is person, client, owner or bot."""

    id: str
    name: str
    kind: str


class Attachment(Answer):
    """One file. `size` in bytes; null: unknown."""

    kind: str
    mime: str
    name: str
    size: int | None


class Question(Answer):
    """A question with buttons."""

    choices: list[str]
    expires_at: Instant


class Message(Answer):
    """One message of a chat, with its state on the way out."""

    id: str
    conversation: str
    at: Instant
    direction: str
    author: Sender
    text: str
    status: str
    attachments: list[Attachment] = []
    question: Question | None = None
    buttons: Annotated[list[str], BeforeValidator(labels)] = []
    reply_to: str = ""
    quote: str = ""
    forwarded_from: str = ""
    edited: bool = False
    silent: bool = False
    reason: str = ""
    platform_ids: list[str] = []
    attempts: int = 0
    """Attempts to send it, if more than one."""
    truncated: str = ""
    """How to get the whole text, if it is too long for an answer."""

    @model_validator(mode="after")
    def leave_out(self) -> Self:
        """Shorten a text that is too long, and leave out what says nothing."""
        text, truncated = shortened(self.text, self.id, "text")
        if truncated:
            self.text, self.truncated = text, truncated
        if self.attempts == 1:
            self.attempts = 0
        if self.question and self.buttons:
            self.buttons = []
        return self


class Call(Answer):
    """The record of a tool call; unknown fields are left out."""

    id: str
    tool: str
    arguments: Any
    at: Instant
    requested_by: str
    approval: str = ""
    reason: str | None = None
    votes: list[str] = []
    verdict: str = ""
    note: str | None = None
    decided_by: str | None = None
    decided_via: str | None = None
    decided_at: Instant = None
    cleared_by: str = ""
    started_at: Instant = None
    ran_with: Any = None
    """The arguments that ran, if they differ from the requested ones."""
    outcome: str = ""
    result: str | None = None
    finished_at: Instant = None
    result_chars: int = 0
    """Length of the whole result, if only its beginning is here."""

    @model_validator(mode="after")
    def leave_out(self) -> Self:
        """Leave out fields that say nothing yet or repeat another, and shorten long ones."""
        for known, others in TOLD_WITH.items():
            for name in () if getattr(self, known) else others:
                setattr(self, name, None)
        if self.ran_with is not None:
            self.ran_with = None if self.ran_with == self.arguments else json_shown(self.ran_with, self.approval)[0]
        self.arguments = json_shown(self.arguments, self.approval)[0]
        if self.result and len(self.result) > RESULT_CHARS:
            self.result, self.result_chars = self.result[:RESULT_CHARS], len(self.result)
        return self


TOLD_WITH = {
    "approval": ("reason",),
    "verdict": ("note", "decided_by", "decided_via", "decided_at"),
    "cleared_by": ("started_at", "ran_with"),
    "outcome": ("result", "finished_at"),
}
"""Fields of a call's record that are shown as soon as another field is set."""


class MessagePage(Answer):
    """Oldest first. `before` is the id to pass for older ones, empty at the beginning."""

    conversation: str
    messages: list[Message]
    before: str
    calls: list[Call] | None = None
    calls_left_out: int = 0
    """Older calls of this page that the answer has no room for."""


class MessageSearch(Answer):
    """Newest first."""

    messages: list[Message]
    truncated: str = ""
    """How many more there are, where they are too long for an answer."""


class Event(Answer):
    """One event of the feed."""

    cursor: int
    type: str
    at: Instant
    body: dict[str, Any]
    conversation: str = ""

    @model_validator(mode="after")
    def tell(self) -> Self:
        """Convert times and JSON texts in the body by the rules of this module."""
        body = self.body = {name: converted(name, value) for name, value in self.body.items()}
        text, of = body.get("text"), body.get("message")
        if isinstance(text, str) and isinstance(of, str):
            body["text"], truncated = shortened(text, of, "text")
            if truncated:
                body["truncated"] = truncated
        return self


def converted(name: str, value: JSON) -> JSON:
    if name.endswith("_at") and isinstance(value, int | float):
        return instant(value)
    return json_shown(value, "")[0] if name in ("arguments", "edited") and isinstance(value, str) else value


class EventPage(Answer):
    """`cursor` is the place after the last event; `gap` says that older events were pruned."""

    events: list[Event]
    cursor: int
    gap: bool
    first_available: int


class FetchedFile(Answer):
    """One file, or a piece of it."""

    message: str
    index: int
    name: str
    kind: str
    mime: str
    bytes: int
    text: str | None = None
    base64: str | None = None
    truncated: str = ""
    shown: str = ""
    """How the file is shown, if it is not in this object."""


class Sent(Answer):
    """What became of a message."""

    message: str
    status: str
    reason: str
    parts: list[str]
    repeated: bool
    warning: str = ""
    """The problem of the engine that has to send it."""


class ResponderSet(Answer):
    """Who answers a chat from now on."""

    conversation: str
    responder: str


# -- approvals and tickets -----------------------------------------------------------------------------------


class Approval(Answer):
    """One call that waits for a verdict, or waited."""

    id: str
    conversation: str
    call: str
    server: str
    tool: str
    arguments: Any
    digest: str
    batch: str
    reason: str
    requested_by: str
    asked_at: Instant
    expires_at: Instant
    status: str
    decided_by: str
    decided_at: Instant
    decided_via: str
    edited: Any
    note: str
    quorum: int
    votes: list[str]
    places: list[str]
    reviewer: str = ""
    review: str = ""
    review_reason: str = ""
    truncated: str = ""
    """How to get the whole arguments, if they are too long for an answer."""

    @model_validator(mode="after")
    def shorten(self) -> Self:
        """Shorten arguments that are too long, and say how to get them."""
        self.arguments, self.truncated = json_shown(self.arguments, self.id)
        self.edited = json_shown(self.edited, self.id)[0]
        return self


class ApprovalPage(Answer):
    """Newest first; `count` is the number on all pages."""

    approvals: list[Approval]
    count: int
    cursor: str


class Decided(Answer):
    """The verdict on one approval."""

    approval: Approval
    grant: int | None
    error: str = ""
    waits: str = ""


class Decision(Decided):
    """The effect of a verdict, with the other approvals that it decided."""

    also: list[Decided] = []


class Ticket(Answer):
    """A turn, question or call, and its approvals while it is open."""

    id: str
    kind: str
    conversation: str
    state: str
    outcome: str
    text: str
    structured: Any
    message: str
    approvals: list[str]
    attachments: list[Attachment]
    """Files of a tool's result; `fetch_attachment` takes the ticket and their index here."""
    truncated: Annotated[str, BeforeValidator(lambda cut: "What is left out was not kept." if cut else "")]
    """How to get the whole result, if it is too long for an answer; else empty."""
    warning: str = ""
    """The problem of the engine that has to settle it."""
    shown: list[int] | None = None
    """Indices of the files that are content blocks of this result."""

    @model_validator(mode="after")
    def shorten(self) -> Self:
        """Shorten a text and structured result that are too long, and say how to get them."""
        self.text, cut = shortened(self.text, self.message or self.id, "text")
        left = max(MIN_TOKENS, MAX_TOKENS - tokens_of(self.text))
        self.structured, cut_json = json_shown(self.structured, self.id, left)
        last = len(self.attachments) - 1
        if not self.truncated:
            self.truncated = cut or cut_json
        elif last >= 0 and self.attachments[last].name in (WHOLE_TEXT, WHOLE_JSON):
            where = f"fetch_attachment with message={self.id}, index={last}, then on by offset"
            self.truncated = f"It is whole as a file: {where}."
        return self
