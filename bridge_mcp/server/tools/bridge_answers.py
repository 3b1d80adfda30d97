"""The results of tools about the bridge itself: tools, pairings, grants, requests and topics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field

from bridge_mcp.core.requests import RequestState
from bridge_mcp.core.results import Later
from bridge_mcp.core.tool_search import first_line
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.ports import Claim
from bridge_mcp.server.tools.answers import Answer, Instant
from bridge_mcp.server.tools.excerpts import parse_json
from bridge_mcp.server.tools.status_answers import Server

__all__ = [
    "ClaimState",
    "CommandAnswer",
    "Consumption",
    "Grants",
    "NestedTool",
    "Pairing",
    "Pairings",
    "Revoked",
    "ScheduledMessage",
    "ScheduledMessages",
    "ToolPage",
    "Topic",
    "Unpaired",
]


class CommandAnswer(Answer):
    """The text that a chat command answered."""

    conversation: str
    text: str
    """What the command said."""


class ClaimState(Answer):
    """Who has a conversation for itself, and until when."""

    conversation: str
    by: str | None
    """The client that has it; null for none."""
    until: Instant
    """When that ends."""

    @classmethod
    def as_held(cls, conversation: str, claim: Claim | None) -> Self:
        """None: nobody has it."""
        holder = (claim.client, claim.until) if claim is not None else (None, None)
        return cls.model_validate({"conversation": conversation, "by": holder[0], "until": holder[1]})


class NestedTool(Answer):
    """A tool of a nested server; in a long list without fields that have a default."""

    name: str
    """`server__tool`: what call_tool takes."""
    server: str
    description: str
    changed: str = ""
    """How it differs from its trusted definition."""
    tool: str = ""
    """Its name on its own server."""
    json_schema: Annotated[Any, BeforeValidator(parse_json)] = Field(None, alias="schema")
    """The JSON schema of its arguments."""
    read_only: bool | None = None
    """Whether its server says that it changes nothing."""
    destructive: bool | None = None
    """Whether its server says that it may destroy something."""
    idempotent: bool | None = None
    """Whether its server says that repeating it does nothing more."""
    open_world: bool | None = None
    """Whether its server says that it reaches beyond its own data."""
    confirmation: str = ""
    """When people are asked about its calls."""

    @classmethod
    def line(cls, spec: ToolSpec) -> Self:
        """A tool as one line of a long list."""
        fields = {"name": spec.name, "server": spec.server, "changed": spec.changed}
        return cls.of(fields | {"description": first_line(spec.description)})


class ToolPage(Answer):
    """`cursor` is empty at the end."""

    tools: list[NestedTool]
    """As asked for, the best match first where there was a query."""
    found: int
    """The number on all pages."""
    cursor: str
    servers: list[Server]


class Pairing(Answer):
    """A chat or a user that is let in."""

    channel: str
    chat: str = Field(validation_alias="subject")
    """The platform's id of the chat or the person."""
    role: str
    """`user` or `approver`."""
    name: str
    by: str
    """Who let them in."""
    at: Instant


class PairingRequest(Answer):
    """A chat that asks to be paired, with its code."""

    code: str
    """The code that the chat was shown; `pair_chat` takes it."""
    channel: str
    chat: str = Field(validation_alias="subject")
    """The platform's id of the chat or the person."""
    name: str
    at: Instant
    expires_at: Instant
    """When the code ends."""


class Pairings(Answer):
    """Pairings, and those who ask for one."""

    pairings: list[Pairing]
    """Who is let in."""
    requests: list[PairingRequest]
    """Who asks to be."""


class Unpaired(Answer):
    """A chat or user that is no longer paired."""

    channel: str
    chat: str
    paired: bool
    """Always false."""


class Grant(Answer):
    """A standing verdict."""

    id: int
    tool: str
    conversation: str
    arguments: Annotated[dict[str, str], BeforeValidator(dict)]
    expires_at: Instant
    """When it ends; null: when it is revoked."""
    by: str
    """Who gave it."""
    created_at: Instant


class Grants(Answer):
    """All standing verdicts."""

    grants: list[Grant]
    """The ones that hold now."""


class Revoked(Answer):
    """A grant that holds no longer."""

    grant: int
    revoked: bool
    """Always true."""


class Consumption(Answer):
    """A verdict that was taken: what is to run now, whole, and until when its outcome can be told."""

    ticket: str
    arguments: Any
    """What the call is to run with: these and no others."""
    digest: str
    """The digest of exactly these arguments."""
    edited: bool
    """Whether these are not the arguments that were asked for."""
    approval: str
    approved_by: str
    """Who approved it."""
    note: str
    """What the decider wrote."""
    report_before: Instant
    """Until when `report_outcome` takes its outcome."""

    @classmethod
    def taken(cls, request: RequestState) -> Self:
        """The answer for a call whose verdict was taken."""
        verdict = request.judged
        return cls.of(
            {
                "ticket": f"call:{request.conversation}",
                "arguments": parse_json(request.arguments),
                "digest": verdict.digest if verdict else "",
                "edited": verdict is not None and verdict.arguments is not None,
                "approval": request.approval,
                "approved_by": verdict.by if verdict else "",
                "note": verdict.note if verdict else "",
                "report_before": request.started_at + request.external.report_s,
            }
        )


SCHEDULED_SHOWN, SCHEDULED_CHARS = 50, 200
"""Messages that wait for their time that one answer shows, and characters of each."""


class ScheduledMessage(Answer):
    """A message to be sent later."""

    id: str
    """`scheduled_messages` takes it as `cancel`."""
    conversation: str
    send_at: float
    """When it goes out, in epoch seconds."""
    text: Annotated[str, BeforeValidator(lambda text: text[:SCHEDULED_CHARS])]
    """The beginning of its text."""
    by: str
    """Who asked for it."""


class ScheduledMessages(Answer):
    """The messages to be sent later, the next one first."""

    messages: list[ScheduledMessage]
    """The next one first."""
    count: int
    """How many there are, with those that this answer does not show."""
    cancelled: bool | None = None
    """Whether the one that was named is not sent; false: its time came first."""

    @classmethod
    def of_all(cls, scheduled: Sequence[Later], cancelled: bool | None) -> Self:
        """The first of them, each with the beginning of its text."""
        messages = [ScheduledMessage.of(each) for each in scheduled[:SCHEDULED_SHOWN]]
        return cls(messages=messages, count=len(scheduled), cancelled=cancelled)


class Topic(Answer):
    """What became of a topic that is to be made or changed."""

    message: str
    """The id of the request, as events tell of it."""
    status: str
    """`sent`, `sending`, `queued`, `uncertain` or `failed`, as of a message."""
    conversation: str
    """Where to write in it; empty while it is not made."""
    reason: str
    """Why it failed; empty if it did not."""
    repeated: bool
    """Whether this was done before under the same key."""
    warning: str = ""
    """The problem of the engine that has to do it."""
