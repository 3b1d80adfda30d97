"""The shapes of MCP Events: event types, parameters, occurrences and errors, as the extension's documents have them.

https://modelcontextprotocol.io/seps/3415-events-extension, identified as `io.modelcontextprotocol/events`, still moves:
what it changes of names and shapes changes here and in the modules beside this one, and nowhere else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

import mcp_types as types
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from bridge_mcp.core.events import EVENT_TYPES, EVENTS, Event, EventType
from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import EventRules
from bridge_mcp.server.events.callbacks import authority_of
from bridge_mcp.server.tools.answers import instant
from bridge_mcp.server.tools.json_text import compact

__all__ = [
    "CALLBACK_FAILED",
    "EXTENSION",
    "FORBIDDEN",
    "MAX_BODY",
    "NOT_FOUND",
    "OFFERED",
    "RENUMBERED",
    "RESOURCE_EXHAUSTED",
    "UNSUPPORTED",
    "AnyParams",
    "EventArguments",
    "Poll",
    "Subscribe",
    "Unsubscribe",
    "cursor_of",
    "host_of",
    "listed",
    "occurrence",
    "read",
    "subscription_id",
]

EXTENSION = "io.modelcontextprotocol/events"

NOT_FOUND = -32011
FORBIDDEN = -32012
RESOURCE_EXHAUSTED = -32013
UNSUPPORTED = -32014
CALLBACK_FAILED = -32015

RENUMBERED = {
    NOT_FOUND: -32023,
    FORBIDDEN: -32024,
    RESOURCE_EXHAUSTED: -32025,
    UNSUPPORTED: -32026,
    CALLBACK_FAILED: -32027,
}
"""The numbers of the final document. Hosts that came first, and declare no extension, know those of the draft above."""

MAX_BODY = 256 * 1024
"""Bytes of one delivery."""
MAX_TEXT = 4_000
"""Characters of one text in an event; its ids lead to the rest."""
MAX_DATA = 60_000
"""Characters of an event's data as JSON, each of which takes up to four bytes; above it only its ids are told."""
MAX_ITEMS = 200
"""Entries of one list or object in an event."""

OFFERED: tuple[EventType, ...] = tuple(name for name in EVENT_TYPES if name != "tool.progress")
"""All but the one that is told many times a second."""

PLACE = {
    "channel": {"type": "string", "description": "Only events of this channel."},
    "conversation": {"type": "string", "description": "Only events of this conversation (channel/chat_id)."},
}

M = TypeVar("M", bound=BaseModel)


class AnyParams(types.RequestParams):
    """Parameters as they came: `read` checks them, and tells what is wrong without a value of them."""

    model_config = ConfigDict(extra="allow")


class Params(BaseModel):
    """Checked parameters; unknown ones are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, strict=True, hide_input_in_errors=True)


class EventArguments(Params):
    """`arguments`: what a subscription is limited to."""

    model_config = ConfigDict(extra="forbid")

    channel: Annotated[str, StringConstraints(max_length=100)] = ""
    conversation: Annotated[str, StringConstraints(max_length=400)] = ""


class EventParams(Params):
    """What all three methods about one kind of events are given."""

    name: Annotated[str, StringConstraints(max_length=100)]
    arguments: EventArguments = EventArguments()


class Poll(EventParams):
    """`events/poll`."""

    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,15}$")] | None = None
    max_age_ms: Annotated[int, Field(ge=0, le=10**13)] | None = None
    max_events: Annotated[int, Field(ge=1)] = 100


class CallbackParams(Params):
    """`delivery` of `events/unsubscribe`."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=r"^[!-~]+$")]


class Delivery(CallbackParams):
    """`delivery` of `events/subscribe`."""

    mode: Annotated[str, StringConstraints(max_length=100)] = "webhook"
    secret: Annotated[str, StringConstraints(max_length=200)]


class Subscribe(EventParams):
    """`events/subscribe`."""

    delivery: Delivery
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,15}$")] | None = None
    max_age_ms: Annotated[int, Field(ge=0, le=10**13)] | None = None
    ttl_ms: Annotated[int, Field(ge=0, le=10**13)] | None = None


class Unsubscribe(EventParams):
    """`events/unsubscribe`."""

    delivery: CallbackParams


def read(model: type[M], params: AnyParams) -> M:
    """The parameters in their shape.

    Raises:
        MCPError: they have another, or a secret or a name of an event that there is not.
    """
    try:
        parsed = model.model_validate(params.model_extra or {})
    except ValidationError as exc:
        problems = [
            f"{'.'.join(map(str, each['loc']))[:100]}: {each['msg']}" for each in exc.errors(include_input=False)
        ]
        raise MCPError(types.INVALID_PARAMS, f"Invalid params: {'; '.join(problems[:5])}.") from None
    if isinstance(parsed, EventParams) and parsed.name not in OFFERED:
        raise MCPError(NOT_FOUND, "There is no such event type; see events/list.", {"kind": "event"})
    if isinstance(parsed, Subscribe):
        check_secret(parsed.delivery.secret)
    return parsed


def check_secret(secret: str) -> None:
    """Raise unless it is `whsec_` and base64 of 24 to 64 bytes."""
    try:
        size = len(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if not secret.startswith("whsec_") or not 24 <= size <= 64:
        raise MCPError(types.INVALID_PARAMS, "delivery.secret is not 'whsec_' and base64 of 24 to 64 random bytes.")


def host_of(url: str, local_hosts: frozenset[str]) -> str:
    """The host of a callback.

    Raises:
        MCPError: it is no https address, and none that the owner let in.
    """
    try:
        parts, authority = urlsplit(url), authority_of(url)
    except ValueError:
        raise MCPError(types.INVALID_PARAMS, "delivery.url is no URL.") from None
    host = (parts.hostname or "").rstrip(".")
    if not host or parts.username is not None or parts.fragment or "\\" in url:
        raise MCPError(types.INVALID_PARAMS, "delivery.url needs a host, and takes no user and no fragment.")
    if parts.scheme != "https" and not (parts.scheme == "http" and authority in local_hosts):
        raise MCPError(types.INVALID_PARAMS, "delivery.url has to begin with https://.")
    return host


def subscription_id(client: str, url: str, name: str, about: EventArguments) -> str:
    """The id of a subscription: the same for the same client, callback, event and arguments."""
    key = compact([client, url, name, about.model_dump(exclude_defaults=True)])
    return f"sub_{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def cursor_of(position: int) -> str:
    """A position in the feed as clients see it."""
    return str(position)


def listed(rules: EventRules) -> list[dict[str, Any]]:
    """What `events/list` tells."""
    modes: dict[Literal["poll", "webhook"], bool] = {"poll": rules.poll, "webhook": rules.webhooks}
    return [
        {
            "name": name,
            "description": EVENTS[name].about,
            "delivery": [mode for mode, offered in modes.items() if offered],
            "inputSchema": {"type": "object", "properties": PLACE, "additionalProperties": False},
            "payloadSchema": {
                "type": "object",
                "properties": {
                    "conversation": {"type": "string"},
                    **{each.rstrip("?"): {} for each in EVENTS[name].carries},
                },
            },
        }
        for name in OFFERED
    ]


def occurrence(event: Event) -> dict[str, JSON]:
    """An event as clients get it: short, with the ids by which tools tell the rest."""
    body: dict[str, JSON] = {"conversation": event.conversation, **event.body}
    data = cast("dict[str, JSON]", clipped(body))
    if len(compact(data)) > MAX_DATA:
        ids = ("conversation", "message", "call", "approval", "digest", "tool", "verdict", "outcome")
        data = {name: data[name] for name in ids if isinstance(data.get(name), str)} | {"shortened": True}
    return {"eventId": f"evt_{event.cursor}", "name": event.type, "timestamp": instant(event.at), "data": data}


def clipped(value: JSON | Mapping[str, JSON]) -> JSON:
    """A value with no long text in it, and no long list."""
    match value:
        case str():
            return value if len(value) <= MAX_TEXT else f"{value[:MAX_TEXT]}… ({len(value):,} characters)"
        case list():
            return [clipped(each) for each in value[:MAX_ITEMS]]
        case Mapping():
            return {key[:MAX_TEXT]: clipped(each) for key, each in list(value.items())[:MAX_ITEMS]}
        case _:
            return value
