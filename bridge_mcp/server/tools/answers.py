"""What the tools answer of chats, approvals and tickets: models that read the core's values by the names of fields.

Times are ISO 8601 in UTC with milliseconds, which models and programs both read; null where there is none. JSON that
the bridge keeps as text (arguments, schemas, structured results) comes out as what it says. A field without a default
is always there; one with a default is left out where it has that value. Knows neither who asked nor how an answer
travels.
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
"""Of a structured result that is shown, however long the text beside it is."""

RESULT_CHARS = 2_000
"""Of a call's result that is shown; the log has it whole."""


def instant(seconds: float | None) -> str | None:
    """Epoch seconds as text; None for 0, which the bridge uses for never and unknown."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"


def labels(buttons: Sequence[Button]) -> list[str]:
    return [each.label for each in buttons]


Instant: TypeAlias = Annotated[str | None, BeforeValidator(instant)]


class Answer(BaseModel):
    """A JSON object that a tool answers, or a part of one."""

    model_config = ConfigDict(from_attributes=True, defer_build=True)

    @classmethod
    def of(cls, known: object) -> Self:
        """The answer for a value of the core, or for a mapping of such values by the names of fields."""
        return cls.model_validate(known)

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(by_alias=True, exclude_defaults=True)


# -- chats ---------------------------------------------------------------------------------------------------


class Conversation(Answer):
    id: str
    channel: str
    title: str
    responder: str | None
    messages: int
    last_at: Instant
    last_text: str


class ConversationPage(Answer):
    conversations: list[Conversation]
    cursor: str


class Sender(Answer):
    id: str
    name: str
    kind: str


class Attachment(Answer):
    kind: str
    mime: str
    name: str
    size: int | None


class Question(Answer):
    choices: list[str]
    expires_at: Instant


class Message(Answer):
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
    """Where more than one was needed."""
    truncated: str = ""
    """How to get at all of a text that is too long for an answer."""

    @model_validator(mode="after")
    def leave_out(self) -> Self:
        text, truncated = shortened(self.text, self.id, "text")
        if truncated:
            self.text, self.truncated = text, truncated
        if self.attempts == 1:
            self.attempts = 0
        if self.question and self.buttons:
            self.buttons = []
        return self


class Call(Answer):
    """The record of a tool call: what is not known yet is left out."""

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
    """Where these are not the arguments that were asked for."""
    outcome: str = ""
    result: str | None = None
    finished_at: Instant = None
    result_chars: int = 0
    """Of the whole result, where only its beginning is here."""

    @model_validator(mode="after")
    def leave_out(self) -> Self:
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
"""Fields of a call's record that are told as soon as another one is."""


class MessagePage(Answer):
    conversation: str
    messages: list[Message]
    before: str
    calls: list[Call] | None = None
    calls_left_out: int = 0
    """Older calls of this stretch that the answer has no room for."""


class MessageSearch(Answer):
    messages: list[Message]
    truncated: str = ""
    """How many more there are, where they are too long for an answer."""


class Event(Answer):
    cursor: int
    type: str
    at: Instant
    body: dict[str, Any]
    conversation: str = ""

    @model_validator(mode="after")
    def tell(self) -> Self:
        """Give the body by the rules of this module."""
        body = self.body = {name: told(name, value) for name, value in self.body.items()}
        text, of = body.get("text"), body.get("message")
        if isinstance(text, str) and isinstance(of, str):
            body["text"], truncated = shortened(text, of, "text")
            if truncated:
                body["truncated"] = truncated
        return self


def told(name: str, value: JSON) -> JSON:
    if name.endswith("_at") and isinstance(value, int | float):
        return instant(value)
    return json_shown(value, "")[0] if name in ("arguments", "edited") and isinstance(value, str) else value


class EventPage(Answer):
    events: list[Event]
    cursor: int
    gap: bool
    first_available: int


class FetchedFile(Answer):
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
    """How, where it is not in this answer."""


class Sent(Answer):
    message: str
    status: str
    reason: str
    parts: list[str]
    repeated: bool
    warning: str = ""
    """What is wrong with the engine that is to send it."""


class ResponderSet(Answer):
    conversation: str
    responder: str


# -- approvals and tickets -----------------------------------------------------------------------------------


class Approval(Answer):
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
    truncated: str = ""
    """How to get at the whole arguments, where they are too long for an answer."""

    @model_validator(mode="after")
    def shorten(self) -> Self:
        self.arguments, self.truncated = json_shown(self.arguments, self.id)
        self.edited = json_shown(self.edited, self.id)[0]
        return self


class ApprovalPage(Answer):
    approvals: list[Approval]
    count: int
    cursor: str


class Decided(Answer):
    approval: Approval
    grant: int | None
    error: str = ""
    waits: str = ""


class Decision(Decided):
    """What a verdict did; with the others that were decided by it."""

    also: list[Decided] = []


class Ticket(Answer):
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
    """Files of a tool's result; `fetch_attachment` gives them by the ticket and their place here."""
    truncated: Annotated[str, BeforeValidator(lambda cut: "What is left out was not kept." if cut else "")]
    """How to get at all of a result that is too long for an answer; empty where it is whole."""
    warning: str = ""
    """What is wrong with the engine that is to settle it."""
    shown: list[int] | None = None
    """Which of the files stand beside this answer as content."""

    @model_validator(mode="after")
    def shorten(self) -> Self:
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
