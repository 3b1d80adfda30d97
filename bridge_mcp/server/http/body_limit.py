"""Reads HTTP bodies, and refuses those that are too large, too slow, nested too deep, no JSON, or have lone surrogates.

The SDK refuses most of these too, but its errors name no cause, and its two eras differ. Knows JSON and no method.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import anyio
from mcp_types import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import JSON, MESSAGE_DEPTH, read_json

__all__ = ["BodyLimitMiddleware"]


class BodyLimitMiddleware:
    """ASGI middleware: reads a request's whole body, up to a size, and refuses an invalid one.

    Args:
        app: the application behind it, which gets the body in one message.
        most: bytes of the largest body.
        within_s: seconds in which it has to arrive, so that no client holds a connection by sending a byte now and
            then.
    """

    def __init__(self, app: ASGIApp, most: int, within_s: float) -> None:
        self._app = app
        self._most = most
        self._within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body: bytes | None = b""
        with anyio.move_on_after(self._within_s) as patience:
            body = await self._body(receive)
        if patience.cancelled_caught:
            await answer(send, 408, too_slow(self._within_s))
            return
        problem = too_large(self._most) if body is None else refusal(body)
        if problem is not None:
            await answer(send, 413 if body is None else 400, problem)
            return
        given: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return given.pop() if given else await receive()

        await self._app(scope, replay, send)

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body; None if it is too large. If the client has disconnected, the part that came."""
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._most:
                return None
            more = message.get("more_body", False)
        return b"".join(parts)


async def answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def too_large(most: int) -> bytes:
    return error_body(None, INVALID_REQUEST, f"The request is larger than {most:,} bytes. Send less at once.")


def too_slow(within_s: float) -> bytes:
    return error_body(None, INVALID_REQUEST, f"The request was not here within {within_s:g} s. Send it again, whole.")


def error_body(id_: object, code: int, message: str) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": id_, "error": {"code": code, "message": message}}).encode()


def refusal(body: bytes) -> bytes | None:
    """The JSON-RPC error for a body that is refused; None for a valid one."""
    try:
        message = read_json(body, max_depth=MESSAGE_DEPTH, odd="keep")
    except BadJSON as exc:
        return error_body(None, PARSE_ERROR, f"Parse error: {exc} Nothing was changed.")
    if b"\\u" not in body or b"\\ud" not in body.lower():
        return None
    where = next(halves(message, ""), None)
    if where is None:
        return None
    known = message.get("id") if isinstance(message, dict) else None
    return error_body(known, INVALID_PARAMS, f"{where}. Send characters beyond U+FFFF whole. Nothing was changed.")


def halves(value: JSON, path: str) -> Iterator[str]:
    """The paths of texts with lone surrogates in a JSON value."""
    match value:
        case str():
            try:
                value.encode()
            except UnicodeEncodeError as exc:
                yield f"{path or 'The message'} is not valid Unicode: half of a UTF-16 pair at character {exc.start}"
        case dict():
            for name, each in value.items():
                yield from halves(name, f"a name in {path or 'the message'}")
                yield from halves(each, f"{path}.{name}" if path else name)
        case list():
            for index, each in enumerate(value):
                yield from halves(each, f"{path}[{index}]")
        case _:
            return
