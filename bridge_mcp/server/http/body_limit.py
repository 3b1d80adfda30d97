"""Reads HTTP bodies, and refuses those that are too large, too slow, nested too deep, no JSON, or have lone surrogates.

The SDK refuses most of these too, but its errors name no cause, and its two eras differ. Knows JSON and no method.
"""

from __future__ import annotations

from collections.abc import Iterator

import anyio
from mcp_types import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import JSON, MESSAGE_DEPTH, read_json
from bridge_mcp.server.http.session_notes import replay_body, rpc_error

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
        with anyio.move_on_after(self._within_s) as time_limit:
            body = await body_within(receive, self._most)
        if time_limit.cancelled_caught:
            why = f"The request was not here within {self._within_s:g} s. Send it again, whole."
            refused = rpc_error(408, INVALID_REQUEST, why)
        elif body is None:
            why = f"The request is larger than {self._most:,} bytes. Send less at once."
            refused = rpc_error(413, INVALID_REQUEST, why)
        else:
            refused = refusal(body)
        await (refused or self._app)(scope, replay_body(body or b"", receive), send)


async def body_within(receive: Receive, most: int) -> bytes | None:
    """A request's whole body; None if it is too large. If the client has disconnected, the part that came."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            return None
        more = message.get("more_body", False)
    return b"".join(parts)


def refusal(body: bytes) -> Response | None:
    """The JSON-RPC error for an invalid body; None for a valid one."""
    try:
        message = read_json(body, max_depth=MESSAGE_DEPTH, odd="keep")
    except BadJSON as exc:
        return rpc_error(400, PARSE_ERROR, f"Parse error: {exc} Nothing was changed.")
    if b"\\u" not in body or b"\\ud" not in body.lower():
        return None
    where = next(halves(message, ""), None)
    if where is None:
        return None
    id_ = message.get("id") if isinstance(message, dict) else None
    why = f"{where}. Send characters beyond U+FFFF whole. Nothing was changed."
    return rpc_error(400, INVALID_PARAMS, why, id_)


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
