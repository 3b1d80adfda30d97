"""The results of tools about approvals and tickets; `answers` says how values are read."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, model_validator

from bridge_mcp.core.token_estimate import tokens_of
from bridge_mcp.core.tools import WHOLE_JSON, WHOLE_TEXT
from bridge_mcp.server.tools.answers import Answer, Attachment, Instant
from bridge_mcp.server.tools.excerpts import MAX_TOKENS, json_shown, shorten

__all__ = ["Approval", "ApprovalPage", "Decided", "Decision", "Ticket"]

MIN_TOKENS = 2_000
"""Tokens of a structured result that are shown, however long the text beside it is."""


class Approval(Answer):
    """One call that waits for a verdict, or waited."""

    id: str
    conversation: str
    call: str
    """The call's id in its conversation."""
    server: str
    """The tool server."""
    tool: str
    arguments: Any
    digest: str
    batch: str
    """Calls that were asked for together share it."""
    reason: str
    requested_by: str
    """Who asked for the call."""
    asked_at: Instant
    """When people were asked."""
    expires_at: Instant
    """When it ends without a verdict; null: never."""
    status: str
    decided_by: str
    """Who decided; empty while nobody has."""
    decided_at: Instant
    """When they decided."""
    decided_via: str
    edited: Any
    note: str
    """What the decider wrote."""
    quorum: int
    votes: list[str]
    places: list[str]
    """The chats whose approvers may decide it."""
    reviewer: str = ""
    review: str = ""
    review_reason: str = ""
    """Why the reviewer said that."""
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
    """The newest first."""
    count: int
    """How many there are on all pages."""
    cursor: str
    """Pass it for the next page; empty at the end."""


class Decided(Answer):
    """The verdict on one approval."""

    approval: Approval
    """The approval as it is now."""
    grant: int | None
    """The id of the standing grant that `remember` made; null for none."""
    error: str = ""
    """Why this verdict did not count; empty if it did."""
    waits: str = ""
    """What the call still waits for; empty for nothing."""


class Decision(Decided):
    """The effect of a verdict, with the other approvals that it decided."""

    also: tuple[Decided, ...] = ()
    """What became of the further approvals."""


class Ticket(Answer):
    """A turn, question or call, and its approvals while it is open."""

    id: str
    kind: str
    """`turn`, `question`, `approval` or `call`."""
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
        self.text, cut = shorten(self.text, self.message or self.id, "text")
        left = max(MIN_TOKENS, MAX_TOKENS - tokens_of(self.text))
        self.structured, cut_json = json_shown(self.structured, self.id, left)
        last = len(self.attachments) - 1
        if not self.truncated:
            self.truncated = cut or cut_json
        elif last >= 0 and self.attachments[last].name in (WHOLE_TEXT, WHOLE_JSON):
            where = f"fetch_attachment with message={self.id}, index={last}, then on by offset"
            self.truncated = f"It is whole as a file: {where}."
        return self
