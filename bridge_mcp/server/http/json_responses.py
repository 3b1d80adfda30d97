"""Turns a response of the handshake era into plain JSON, if it is the only event of its stream.

Streamable HTTP leaves the choice to the server, and the SDK always streams. But clients limit the size of one event
(the Python SDK to 1 MiB), and not of a JSON body: a large response is lost in a stream.
"""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["JsonResponseMiddleware"]

ANSWER = re.compile(
    rb'(?:event: message\r?\n)?data: \{"jsonrpc":"2\.0","id":(?:-?\d{1,30}|"[^"\\]{0,200}"),"(?:result|error)":'
)
"""The beginning of an event that is a response. Requests and notifications have a `method`."""


class JsonResponseMiddleware:
    """ASGI middleware: holds back the beginning of an event stream until its first event shows what it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        answered = False

        async def sending(message: Message) -> None:
            nonlocal start, answered
            if answered:
                return
            if message["type"] == "http.response.start" and is_stream(message):
                start = message
                return
            if start is None or message["type"] != "http.response.body":
                await send(message)
                return
            stream_start, start = start, None
            body = answer_in(message.get("body", b""))
            if body is None:
                await send(stream_start)
                await send(message)
                return
            answered = True
            await send({**stream_start, "headers": plain(stream_start["headers"], len(body))})
            await send({"type": "http.response.body", "body": body})

        await self._app(scope, receive, sending)


def is_stream(start: Message) -> bool:
    """Whether a response is an event stream."""
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream") for name, value in start["headers"]
    )


def answer_in(event: bytes) -> bytes | None:
    """The JSON of an event that is a response; None for any other."""
    if ANSWER.match(event) is None:
        return None
    return b"\n".join(line.removeprefix(b"data: ") for line in event.splitlines() if line.startswith(b"data: "))


def plain(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    """The headers of a stream as those of a JSON body."""
    of_streams = (b"content-type", b"transfer-encoding", b"content-length", b"x-accel-buffering", b"connection")
    others = [(name, value) for name, value in headers if name.lower() not in of_streams]
    return [*others, (b"content-type", b"application/json"), (b"content-length", str(length).encode())]
