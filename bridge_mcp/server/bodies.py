"""Refuses HTTP bodies whose texts hold half of a UTF-16 pair, in words that name the place.

The SDK's parser refuses them too, but its words name no cause, and its two eras differ. Knows JSON and no method.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast

from mcp_types import INVALID_PARAMS
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["WholeTexts"]


class WholeTexts:
    """ASGI middleware for requests whose bodies come in one message, as behind the SDK's limit of body sizes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        first = await receive()
        problem = refusal(first.get("body", b""))
        if problem is not None:
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(problem)).encode())]
            await send({"type": "http.response.start", "status": 400, "headers": headers})
            await send({"type": "http.response.body", "body": problem})
            return
        given: list[Message] = [first]

        async def replay() -> Message:
            return given.pop() if given else await receive()

        await self._app(scope, replay, send)


def refusal(body: bytes) -> bytes | None:
    """The JSON-RPC error for such a body; None for any other, broken JSON included."""
    if b"\\u" not in body or b"\\ud" not in body.lower():
        return None
    try:
        message: object = json.loads(body)
        where = next(halves(message, ""), None)
    except (ValueError, RecursionError):
        return None
    if where is None:
        return None
    known = cast("dict[str, object]", message).get("id") if isinstance(message, dict) else None
    told = f"{where}. Send characters beyond U+FFFF whole. Nothing was changed."
    error = {"code": INVALID_PARAMS, "message": told}
    return json.dumps({"jsonrpc": "2.0", "id": known, "error": error}).encode()


def halves(value: object, path: str) -> Iterator[str]:
    """Where in a JSON value texts hold half of a UTF-16 pair."""
    match value:
        case str():
            try:
                value.encode()
            except UnicodeEncodeError as exc:
                yield f"{path or 'The message'} is not valid Unicode: half of a UTF-16 pair at character {exc.start}"
        case dict():
            for name, each in cast("dict[str, object]", value).items():
                yield from halves(name, f"a name in {path or 'the message'}")
                yield from halves(each, f"{path}.{name}" if path else name)
        case list():
            for index, each in enumerate(cast("list[object]", value)):
                yield from halves(each, f"{path}[{index}]")
        case _:
            return
