"""The results of tools about chats: pydantic models that read the core's values by field name.

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
from bridge_mcp.server.tools.excerpts import json_shown, shorten

__all__ = [
    "Answer",
    "Attachment",
    "Call",
    "ConversationPage",
    "EventPage",
    "FetchedFile",
    "Instant",
    "Message",
    "MessagePage",
    "MessageSearch",
    "ResponderSet",
    "Sent",
    "instant",
]

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
    def of(cls, result: object) -> Self:
        """The answer for a value of the core, or for a mapping of field names to such values."""
        return cls.model_validate(result)

    def as_json(self) -> dict[str, Any]:
        """The JSON object, without fields that have their default."""
        return self.model_dump(by_alias=True, exclude_defaults=True)


class Conversation(Answer):
    """One chat of a list. `responder` is null where the config decides."""

    id: str
    channel: str
    title: str
    responder: str | None
    messages: int
    """How many messages it has."""
    last_at: Instant
    """When the last message was written."""
    last_text: str
    """The beginning of the last message's text."""


class ConversationPage(Answer):
    """`cursor` is empty at the end."""

    conversations: list[Conversation]
    """The most recent first."""
    cursor: str


class Sender(Answer):
    """Who wrote a message. `kind` is person, client, owner or bot."""

    id: str
    name: str
    kind: str
    """`person`, `client`, `owner` or `bot`."""


class Attachment(Answer):
    """One file. `size` in bytes; null: unknown."""

    kind: str
    """`image`, `audio`, `video` or `file`."""
    mime: str
    """The media type; empty if unknown."""
    name: str
    size: int | None
    """Bytes; null if unknown."""


class Question(Answer):
    """A question with buttons."""

    choices: list[str]
    """The texts of its buttons; none: any text answers it."""
    expires_at: Instant
    """When it ends without an answer; null: never."""


class Message(Answer):
    """One message of a chat, with its state on the way out."""

    id: str
    conversation: str
    at: Instant
    """When it was written."""
    direction: str
    """`in`: from the chat. `out`: to the chat."""
    author: Sender
    """Who wrote it."""
    text: str
    """Its text as Markdown."""
    status: str
    attachments: list[Attachment] = []
    """Its files; `fetch_attachment` takes the message's id and their index here."""
    question: Question | None = None
    """The question that it asks, if it is one."""
    buttons: Annotated[list[str], BeforeValidator(labels)] = []
    """The texts of its buttons."""
    reply_to: str = ""
    """The id of the message that it replies to; empty for none."""
    quote: str = ""
    """The part of that message that it quotes."""
    forwarded_from: str = ""
    """Who wrote it first, if it was forwarded."""
    edited: bool = False
    silent: bool = False
    """Whether it was sent without a notification."""
    reason: str = ""
    platform_ids: list[str] = []
    """The platform's ids of its parts."""
    attempts: int = 0
    """Attempts to send it, if more than one."""
    truncated: str = ""
    """How to get the whole text, if it is too long for an answer."""

    @model_validator(mode="after")
    def leave_out(self) -> Self:
        """Shorten a text that is too long, and leave out what says nothing."""
        text, truncated = shorten(self.text, self.id, "text")
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
    """`server__tool`."""
    arguments: Any
    at: Instant
    """When it was requested."""
    requested_by: str
    approval: str = ""
    reason: str | None = None
    votes: list[str] = []
    """Who said yes, while several have to."""
    verdict: str = ""
    """`approved`, `rejected`, `expired` or `cancelled`; empty while there is none."""
    note: str | None = None
    """What the decider wrote."""
    decided_by: str | None = None
    """Who decided."""
    decided_via: str | None = None
    """How they decided, such as `chat button` or `api`."""
    decided_at: Instant = None
    """When they decided."""
    cleared_by: str = ""
    started_at: Instant = None
    """When it began to run."""
    ran_with: Any = None
    """The arguments that ran, if they differ from the requested ones."""
    outcome: str = ""
    """`ok`, `error`, `denied`, `expired`, `stopped`, `undelivered` (did not run), `unknown` (may have run)."""
    result: str | None = None
    """The beginning of its result."""
    finished_at: Instant = None
    """When it ended."""
    result_chars: int = 0
    """Length of the whole result, if only its beginning is here."""

    @model_validator(mode="after")
    def leave_out(self) -> Self:
        """Leave out fields that say nothing yet or repeat another, and shorten long ones."""
        for field, others in SHOWN_WITH.items():
            for name in () if getattr(self, field) else others:
                setattr(self, name, None)
        if self.ran_with is not None:
            self.ran_with = None if self.ran_with == self.arguments else json_shown(self.ran_with, self.approval)[0]
        self.arguments = json_shown(self.arguments, self.approval)[0]
        if self.result and len(self.result) > RESULT_CHARS:
            self.result, self.result_chars = self.result[:RESULT_CHARS], len(self.result)
        return self


SHOWN_WITH = {
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
    """The oldest first."""
    before: str
    """Pass it to read older ones; empty at the beginning."""
    calls: list[Call] | None = None
    calls_left_out: int = 0
    """Older calls of this page that the answer has no room for."""


class MessageSearch(Answer):
    """Newest first."""

    messages: list[Message]
    """The newest first."""
    truncated: str = ""
    """How many more there are, where they are too long for an answer."""


class Event(Answer):
    """One event of the feed."""

    cursor: int
    """Its place in the feed."""
    type: str
    """Its type; the reference lists them."""
    at: Instant
    """When it happened."""
    body: dict[str, Any]
    """What it tells, by its type."""
    conversation: str = ""
    """The chat that it is about; empty for none."""

    @model_validator(mode="after")
    def tell(self) -> Self:
        """Convert times and JSON texts in the body by the rules of this module."""
        body = self.body = {name: convert(name, value) for name, value in self.body.items()}
        text, message_id = body.get("text"), body.get("message")
        if isinstance(text, str) and isinstance(message_id, str):
            body["text"], truncated = shorten(text, message_id, "text")
            if truncated:
                body["truncated"] = truncated
        return self


def convert(name: str, value: JSON) -> JSON:
    if name.endswith("_at") and isinstance(value, int | float):
        return instant(value)
    return json_shown(value, "")[0] if name in ("arguments", "edited") and isinstance(value, str) else value


class EventPage(Answer):
    """`cursor` is the place after the last event; `gap` says that older events were pruned."""

    events: list[Event]
    """The oldest first."""
    cursor: int
    gap: bool
    first_available: int


class FetchedFile(Answer):
    """One file, or a piece of it."""

    message: str
    """The message, ticket or approval that it belongs to."""
    index: int
    """Which of its files this is, from 0."""
    name: str
    kind: str
    mime: str
    """The media type."""
    bytes: int
    """The size of the whole file."""
    text: str | None = None
    """The text, or a piece of it; null for other files."""
    base64: str | None = None
    """The bytes, or a piece of them; null where it is shown in another way."""
    truncated: str = ""
    """How to get the rest; empty at the end."""
    shown: str = ""
    """How the file is shown, if it is not in this object."""


class Sent(Answer):
    """What became of a message."""

    message: str
    """The message's id."""
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
    """`assistant`, `relay`, `off` or `default`."""
