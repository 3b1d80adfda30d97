"""What comes back from a Bot API server, or from whatever answers in its place, read so that each answer is an outcome.

An answer with status 200 that is none (a page of a hotel's network, half a JSON text, an object without `result`, a
result of another shape) is a `TelegramError` like any other: what was asked for may have been done, or not.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar, cast

from telegram.error import TelegramError
from telegram.request import HTTPXRequest

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import MESSAGE_DEPTH, read_json

__all__ = ["BotRequest", "fitting"]

T = TypeVar("T")

LONGEST_WAIT_S = 86_400
"""How long an answer may have us wait."""
UNFIT = (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError)
"""What the library raises where a result is not what its documentation says."""


class Answer(dict[str, Any]):
    """An answer's object; the library asks it for `result` where the status says that all went well."""

    def __missing__(self, key: str) -> Any:
        description = self.get("description")
        says = f": {description}" if isinstance(description, str) else ""
        raise TelegramError(f"its answer has no {key}{says}")


class BotRequest(HTTPXRequest):
    """The library's requests, with answers that are bounded in size and depth."""

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """The object of an answer.

        Raises:
            TelegramError: it is none; nothing of it is quoted.
        """
        try:
            found = read_json(payload, max_depth=MESSAGE_DEPTH, odd="mend")
        except BadJSON:
            raise TelegramError("its answer is no JSON that can be read") from None
        if not isinstance(found, dict):
            raise TelegramError("its answer is no JSON object")
        if not isinstance(found.get("description", ""), str):
            found.pop("description")
        return Answer(found, parameters=parameters(found.get("parameters")))


def parameters(found: Any) -> dict[str, int]:
    """What an answer says of how to go on: where a group went, and how long to wait (bounded)."""
    given = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    numbers = {name: value for name, value in given.items() if isinstance(value, int) and not isinstance(value, bool)}
    if "retry_after" in numbers:
        numbers["retry_after"] = min(max(numbers["retry_after"], 0), LONGEST_WAIT_S)
    return numbers


async def fitting(asked: Awaitable[T]) -> T:
    """What a method of the library gives.

    Raises:
        TelegramError: as it says; also where the result is of another shape than it has to be.
    """
    try:
        return await asked
    except UNFIT as exc:
        raise TelegramError(f"its answer is of another shape ({type(exc).__name__})") from exc
