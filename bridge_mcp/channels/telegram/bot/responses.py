"""Responses of a Bot API server, or of a proxy in its place, read so that each one is a result or a `TelegramError`.

A response with status 200 that is no answer (a captive portal's page, half a JSON text, an object without `result`, a
result of another shape) is a `TelegramError` like any other: the request may have taken effect, or not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from datetime import timedelta
from typing import Any, TypeVar, cast

import httpx
from telegram.error import RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import MESSAGE_DEPTH, read_json

__all__ = ["MAX_ANSWER", "BotRequest", "fitting", "retry_after_s"]

T = TypeVar("T")

MAX_ANSWER = 8 * 1024 * 1024
"""Bytes of one answer: a hundred updates are some hundred thousand."""
LONGEST_WAIT_S = 86_400
"""The longest `retry_after` that is honoured."""
UNFIT = (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError)
"""What the library raises where a result is not what its documentation says."""


class ApiResponse(dict[str, Any]):
    """A response's object; the library reads its `result` where the status is 200."""

    def __missing__(self, key: str) -> Any:
        description = self.get("description")
        says = f": {description}" if isinstance(description, str) else ""
        raise TelegramError(f"its answer has no {key}{says}")


class BoundedStream(httpx.AsyncByteStream):
    """An answer's bytes, up to `MAX_ANSWER`."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._stream = response.stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._response.headers.get("content-encoding", "identity").lower() != "identity":
            raise httpx.ReadError("the answer is packed, which it was asked not to be")
        size = 0
        assert isinstance(self._stream, httpx.AsyncByteStream)
        async for part in self._stream:
            size += len(part)
            if size > MAX_ANSWER:
                raise httpx.ReadError(f"the answer is longer than {MAX_ANSWER:,} bytes")
            yield part

    async def aclose(self) -> None:
        """Give the connection back to the pool."""
        assert isinstance(self._stream, httpx.AsyncByteStream)
        await self._stream.aclose()


async def bound(response: httpx.Response) -> None:
    """Fail the reading of a response once it is longer than `MAX_ANSWER`."""
    response.stream = BoundedStream(response)


class BotRequest(HTTPXRequest):
    """The library's requests, with answers that are bounded in size and depth."""

    def __init__(self, *, httpx_kwargs: Mapping[str, Any] | None = None, **settings: Any) -> None:
        defaults = {"event_hooks": {"response": [bound]}, "headers": {"Accept-Encoding": "identity"}}
        super().__init__(httpx_kwargs={**defaults, **(httpx_kwargs or {})}, **settings)

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """The JSON object of a response.

        Raises:
            TelegramError: it is no JSON object; the message quotes nothing of it.
        """
        try:
            answer = read_json(payload, max_depth=MESSAGE_DEPTH, odd="mend")
        except BadJSON:
            raise TelegramError("its answer is no JSON that can be read") from None
        if not isinstance(answer, dict):
            raise TelegramError("its answer is no JSON object")
        if not isinstance(answer.get("description", ""), str):
            answer.pop("description")
        return ApiResponse(answer, parameters=parameters(answer.get("parameters")))


def parameters(raw: Any) -> dict[str, int]:
    """`ResponseParameters` of an error: the id a group migrated to, and the seconds to wait (bounded)."""
    fields = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
    numbers = {name: value for name, value in fields.items() if isinstance(value, int) and not isinstance(value, bool)}
    if "retry_after" in numbers:
        numbers["retry_after"] = min(max(numbers["retry_after"], 0), LONGEST_WAIT_S)
    return numbers


async def fitting(request: Awaitable[T]) -> T:
    """Await a method of the library.

    Raises:
        TelegramError: as the method documents; also where the result does not have the documented shape.
    """
    try:
        return await request
    except UNFIT as exc:
        raise TelegramError(f"its answer is of another shape ({type(exc).__name__})") from exc


def retry_after_s(error: RetryAfter) -> float:
    """The seconds that a 429 asks to wait."""
    wait = error.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
