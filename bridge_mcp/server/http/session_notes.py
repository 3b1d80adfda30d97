"""What processes that serve the same sessions tell each other, and what of a message decides it.

A client of the handshake era sends each message by a request of its own, and behind one address each may reach another
process. Most messages are whole in themselves. Those that are not concern a request or a stream that another process
holds: a cancellation, the answer to a form, a subscription. They are passed on through the store.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct
from starlette.responses import Response
from starlette.types import Message, Receive, Scope

from bridge_mcp.ports import FaceNote

__all__ = [
    "MAX_NOTE",
    "SESSION",
    "ClientMessage",
    "Method",
    "by_session",
    "header_of",
    "inner_post",
    "message_in",
    "replay_body",
    "rpc_error",
]

SESSION = b"mcp-session-id"

MAX_NOTE = 64 * 1024
"""Bytes of a message that is passed on: answers to the bridge's forms are short."""

Method: TypeAlias = Literal["POST", "DELETE"]
Kind: TypeAlias = Literal["request", "notification", "response", "other"]


class MessageParams(Struct, frozen=True, rename="camel"):
    """The parameters that are looked at."""

    request_id: int | str | None = None
    uri: str = ""


class ClientMessage(Struct, frozen=True):
    """A JSON-RPC message, as far as it is looked at."""

    id: int | str | None = None
    method: str = ""
    params: msgspec.Raw = msgspec.Raw()

    @property
    def kind(self) -> Kind:
        """Which kind of message it is."""
        if self.method:
            return "notification" if self.id is None else "request"
        return "other" if self.id is None else "response"

    def values(self) -> MessageParams:
        """Its parameters; empty where they are of another shape, which the SDK refuses."""
        try:
            return msgspec.json.decode(self.params, type=MessageParams)
        except msgspec.DecodeError:
            return MessageParams()


def message_in(body: bytes) -> ClientMessage:
    """The message of a request's body; of no kind where it is none."""
    try:
        return msgspec.json.decode(body, type=ClientMessage)
    except msgspec.DecodeError:
        return ClientMessage()


def header_of(headers: list[tuple[bytes, bytes]], name: bytes) -> str:
    """The value of a header; "" for none."""
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), "")


def replay_body(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a whole body once more, and then what comes after it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def with_session(scope: Scope, session: str) -> Scope:
    """A request's scope with another session's id."""
    others = [(name, value) for name, value in scope["headers"] if name != SESSION]
    return {**scope, "headers": [*others, (SESSION, session.encode("latin-1"))]}


def inner_post(scope: Scope, session: str, method: Method = "POST") -> Scope:
    """The scope of a request that this process makes to itself, as whoever made the request of `scope`."""
    headers = [(b"accept", b"application/json, text/event-stream"), (b"content-type", b"application/json")]
    if session:
        headers.append((SESSION, session.encode("latin-1")))
    return {**scope, "method": method, "headers": headers, "query_string": b""}


class ResponseHead:
    """A `send` that keeps the status and the headers of a response, and drops its body."""

    def __init__(self) -> None:
        self.status = 0
        self.session = ""

    async def __call__(self, message: Message) -> None:
        """The ASGI `send`."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.session = header_of(list(message["headers"]), SESSION)


def rpc(method: str, params: dict[str, Any], id: str = "") -> bytes:
    """A message of JSON-RPC: a request with an id, else a notification."""
    about = {"id": id} if id else {}
    return json.dumps({"jsonrpc": "2.0", **about, "method": method, "params": params}).encode()


def by_session(notes: Sequence[FaceNote]) -> dict[str, list[str]]:
    """The bodies of notes by session, in their order; of empty ones ("look at it again") one is enough."""
    grouped: dict[str, list[str]] = {}
    for note in notes:
        bodies = grouped.setdefault(note.session, [])
        if note.body or "" not in bodies:
            bodies.append(note.body)
    return grouped


def rpc_error(status: int, code: int, message: str, id_: object = None) -> Response:
    """A response with an error of JSON-RPC."""
    body = json.dumps({"jsonrpc": "2.0", "id": id_, "error": {"code": code, "message": message}})
    headers = {"retry-after": "5"} if status == 429 else None
    return Response(body, status, headers, "application/json")
