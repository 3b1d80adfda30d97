"""The log as people see it: messages, approvals, standing verdicts. What the feed tells is `events`.

Every row that a store keeps beside the log is computed here, from an entry in its place, so that a store can be checked
(or rebuilt) by running the log through these functions again.
"""

from __future__ import annotations

from typing import Literal, Required, TypeAlias, TypedDict, Unpack

from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.core.entries import (
    Asked,
    Attachment,
    Button,
    Edited,
    Entry,
    Heard,
    Judged,
    Logged,
    Posted,
    Question,
    Reacted,
    Replied,
    Responder,
    Reviewed,
    Revised,
    Sender,
    Stopped,
    Topic,
    TopicAsked,
    Transcribed,
    Verdict,
    approval_id,
    call_origin,
    message_id,
)
from bridge_mcp.core.grants import Grant, grant_place, makes_grants
from bridge_mcp.core.policy import AGENTS

__all__ = [
    "Approval",
    "Conversation",
    "Delivery",
    "Message",
    "MessageStatus",
    "approval_of",
    "button_tokens",
    "grant_of",
    "message_of",
    "text_after",
]

MessageStatus: TypeAlias = Literal["received", "queued", "sending", "sent", "uncertain", "failed"]
ASSISTANT = Sender("assistant", "assistant", "bot")
BRIDGE = Sender("bridge", "bridge", "bot")


class Delivery(TypedDict, total=False):
    """How a message that goes out stands with its channel: these fields of `Message`."""

    status: Required[MessageStatus]
    reason: str
    platform_ids: tuple[str, ...]
    attempts: int
    parts: int
    asks: bool


class Message(Struct, frozen=True):
    """One message of a conversation, in or out; or, by its `kind`, something on its way to a message that went out."""

    conversation: str
    seq: int
    at: float
    direction: Literal["in", "out"]
    author: Sender
    text: str
    status: MessageStatus
    """`received`; of one that goes out: `queued`, `sending`, `sent`, `uncertain` or `failed`."""
    attachments: tuple[Attachment, ...] = ()
    buttons: tuple[Button, ...] = ()
    reply_to: str = ""
    silent: bool = False
    question: Question | None = None
    reason: str = ""
    """Why it failed, or is still queued."""
    platform_ids: tuple[str, ...] = ()
    attempts: int = 0
    kind: Literal["message", "edit", "reaction", "topic"] = "message"
    """An edit's `text` is the new text, a reaction's the emoji, a topic's its name. Lists hold messages only."""
    topic: Topic | None = None
    """Of a topic: what it is to be like."""
    target: int | None = None
    """The seq of the message that an edit or a reaction is for."""
    parts: int = 0
    """How many parts of it went out already."""
    asks: bool = False
    """Whether it is a question that nobody has answered yet; it may have expired."""
    edited: bool = False
    """Whether `text` is a later version of it."""
    quote: str = ""
    forwarded_from: str = ""
    unreadable: str = ""
    """Why its entry cannot be read, where that is so; then `text` says so and the rest is empty."""
    newer: bool = False
    """Whether it cannot be read because a newer bridge_mcp wrote it."""

    @property
    def id(self) -> str:
        """`conversation#seq`."""
        return message_id(self.conversation, self.seq)


class Approval(Struct, frozen=True):
    """One call that waits, or waited, for a verdict, with all that a verdict must know."""

    id: str
    conversation: str
    call: str
    server: str
    tool: str
    """The name as the model knows it: `server__tool`."""
    arguments: str
    """Whole, as JSON text."""
    digest: str
    """Stands for exactly this call: a verdict that names it decides nothing else."""
    reason: str
    """Why it waits."""
    requested_by: str
    asked_at: float
    expires_at: float
    status: Literal["waiting"] | Verdict = "waiting"
    """`waiting`, `approved`, `rejected`, `expired` or `cancelled`."""
    decided_by: str = ""
    decided_at: float = 0.0
    note: str = ""
    decided_via: str = ""
    """By which path: `chat button`, `chat text`, `mcp`, `mcp form`, `mcp app`, `cli`, `console`, `api`, or `rule`."""
    edited: str = ""
    """The arguments it was approved with, as JSON text, where the approver changed them."""
    quorum: int = 1
    """How many different people have to say yes."""
    votes: tuple[str, ...] = ()
    """Where several approvers are needed: those who said yes, in order."""
    route: str = ""
    """Where its prompt went: empty for the chat that asked, `agents` for none."""
    escalate_to: str = ""
    asks: str = ""
    """The first words of the question, where the caller has better ones."""
    offers: tuple[str, ...] = ()
    """What `always` gives where the caller keeps standing permissions itself, each word for word."""
    fixed: bool = False
    """Whether it can only be approved with these arguments."""
    also_route: tuple[str, ...] = ()
    """Further conversations that its prompt went to."""
    reviewer: str = ""
    """The model that looks at it before people are asked; empty for none."""
    reviewer_may: Literal["approve", "advise"] = "advise"
    review: Literal["", "approve", "reject", "escalate"] = ""
    """What the reviewer says; empty while it has said nothing."""
    review_reason: str = ""

    @property
    def in_review(self) -> bool:
        """Whether people are not to be asked yet: its reviewer looks at it, or decides."""
        decides = self.reviewer_may == "approve" and self.review in ("approve", "reject")
        return self.status == "waiting" and self.reviewer != "" and (not self.review or decides)

    def after_review(self, review: Reviewed) -> Approval:
        """The same with what its reviewer says."""
        return replace(self, review=review.says, review_reason=review.reason)

    @property
    def batch(self) -> str:
        """What the calls of one reply have in common."""
        return message_id(self.conversation, call_origin(self.call) or 0)

    @property
    def asked_in(self) -> str:
        """The conversation that its prompt goes to; empty for none."""
        return "" if self.route == AGENTS else self.route or self.conversation

    @property
    def places(self) -> tuple[str, ...]:
        """The conversations whose approvers may decide it by chat."""
        return tuple(place for place in (self.asked_in, *self.also_route, self.escalate_to) if place)


class Conversation(Struct, frozen=True):
    """One chat (and topic) on one channel, as lists show it."""

    id: str
    channel: str
    title: str = ""
    responder: Responder | None = None
    """As set for this conversation; null: as the channel says."""
    messages: int = 0
    last_at: float = 0.0
    last_text: str = ""
    head: int = 0
    """The seq that the next entry gets."""
    question: int | None = None
    """The seq of the latest question that nobody has answered yet; it may have expired."""


def message_of(conversation: str, logged: Logged, **delivery: Unpack[Delivery]) -> Message | None:
    """The message that this entry is or sends, if it does. `delivery` is of one that goes out."""
    e = logged.entry
    if not isinstance(e, Heard):
        return outgoing(conversation, logged, **delivery)
    return Message(
        conversation,
        logged.seq,
        logged.at,
        direction="in",
        author=e.sender,
        text=e.text,
        status="received",
        attachments=e.attachments,
        reply_to=e.reply_to,
        quote=e.quote,
        forwarded_from=e.forwarded_from,
    )


def outgoing(conversation: str, logged: Logged, **delivery: Unpack[Delivery]) -> Message | None:
    """The message that this entry sends, if it does."""
    at, seq = logged.at, logged.seq
    match logged.entry:
        case Posted() as e:
            return Message(
                conversation,
                seq,
                at,
                direction="out",
                author=e.by,
                text=e.text,
                attachments=e.files,
                buttons=e.buttons,
                reply_to=e.reply_to,
                silent=e.silent,
                question=e.question,
                **delivery,
            )
        case Revised() | Reacted() | TopicAsked() as e:
            return change_of(conversation, logged, e, **delivery)
        case Replied(text=text) if text:
            return Message(conversation, seq, at, direction="out", author=ASSISTANT, text=text, **delivery)
        case Stopped(text=text) if text:
            return Message(conversation, seq, at, direction="out", author=BRIDGE, text=text, **delivery)
        case _:
            return None


def change_of(
    conversation: str, logged: Logged, entry: Revised | Reacted | TopicAsked, **delivery: Unpack[Delivery]
) -> Message:
    """What changes a message, or makes or changes a topic, on its way."""
    message = Message(
        conversation, logged.seq, logged.at, direction="out", author=entry.by, text="", kind="topic", **delivery
    )
    match entry:
        case Revised() as e:
            return replace(message, text=e.text, buttons=e.buttons, kind="edit", target=e.message)
        case Reacted() as e:
            return replace(message, text=e.emoji, kind="reaction", target=e.message)
        case TopicAsked() as e:
            return replace(message, text=e.topic.name, topic=e.topic)


def text_after(entry: Entry) -> str | None:
    """The text that the message named by an `Edited`, `Revised` or `Transcribed` has from then on; None for others."""
    return entry.text if isinstance(entry, Edited | Revised | Transcribed) else None


def button_tokens(entry: Entry) -> tuple[str, ...]:
    """What stands on the platform for the buttons that an entry shows."""
    buttons = entry.buttons if isinstance(entry, Posted | Revised) else ()
    return tuple(button.token for button in buttons if button.token)


def approval_of(conversation: str, logged: Logged) -> Approval | None:
    """The approval that an `Asked` opens."""
    match logged.entry:
        case Asked() as e:
            return Approval(
                id=approval_id(conversation, e.call),
                conversation=conversation,
                call=e.call,
                server=e.server,
                tool=e.tool,
                arguments=e.arguments,
                digest=e.digest,
                reason=e.reason,
                requested_by=e.requested_by,
                asked_at=logged.at,
                expires_at=e.expires_at,
                quorum=e.quorum,
                route=e.route,
                also_route=e.also_route,
                escalate_to=e.escalate_to,
                asks=e.asks,
                offers=e.offers,
                fixed=e.fixed,
                reviewer=e.reviewer,
                reviewer_may=e.reviewer_may,
            )
        case _:
            return None


def grant_of(conversation: str, logged: Logged, tool: str) -> Grant | None:
    """The standing verdict that a `Judged` on a call of `tool` makes, if it remembers; the id is the store's."""
    match logged.entry:
        case Judged(verdict="approved", remember="conversation" | "always") as e if makes_grants(tool):
            until = logged.at + e.remember_s if e.remember_s else 0.0
            return Grant(
                0,
                tool,
                e.limit if e.remember == "always" else grant_place(conversation),
                arguments=e.remember_arguments,
                expires_at=until,
                by=e.by,
                created_at=logged.at,
            )
        case _:
            return None
