"""Assembles the chunks of a stream into the completion that a request without streaming would have got.

Providers differ: ids and names come once or with every delta, indexes are missing or all 0, ids are empty or all the
same, several calls come interleaved. Knows the format, no SDK and no provider.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import read_json
from bridge_mcp.core.tools import JSON
from bridge_mcp.models.errors import ProviderError, failed
from bridge_mcp.models.openai_responses import (
    calls_given,
    content_text,
    error_in,
    mapping,
    reported,
    sequence,
    words_of,
)
from bridge_mcp.models.provider_fields import FUNCTION, Beside, beside_call
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import OnText

__all__ = ["StreamAccumulator"]

GROWTH = 64
"""A long text is passed on again once it has grown by 1/GROWTH of its length."""


@dataclass(slots=True)
class Piece:
    """A call that is being assembled."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])
    beside: dict[str, JSON] = field(default_factory=dict[str, JSON])

    @property
    def whole(self) -> bool:
        """Whether its arguments are a complete JSON object."""
        last = next((part for part in reversed(self.arguments) if part.strip()), "")
        if not last.rstrip().endswith("}"):
            return False
        try:
            return isinstance(read_json("".join(self.arguments)), dict)
        except BadJSON:
            return False


class StreamAccumulator:
    """Assembles one completion.

    `on_text` is called with the whole text so far whenever it has grown; for a long one, by 1/GROWTH of itself, so that
    the cost is linear and not quadratic.
    """

    def __init__(self, settings: ModelSettings, on_text: OnText | None = None) -> None:
        self.ended = False
        """Whether there was a finish reason: a stream that ends without one has been cut off."""
        self._settings = settings
        self._on_text = on_text
        self._text: list[str] = []
        self._length = self._told = 0
        """Characters of the text so far, and how many of them `on_text` got."""
        self._refusal: list[str] = []
        self._beside = Beside()
        self._calls: list[Piece] = []
        self._by_index: dict[object, Piece] = {}
        self._model: object = None
        self._usage: object = None
        self._tier: object = None
        self._finish: object = None
        self._foreign: object = None
        """The first thing in the stream that is no chunk."""

    def add(self, chunk: object) -> None:
        """Merge one chunk.

        Raises:
            ModelFailed: the chunk is an error, and the answer was not complete before it.
        """
        error = error_in(chunk)
        if error is not None and not self._finish:
            raise failed(self._settings, reported(error), aloud=True)
        body = mapping(chunk)
        self._model = self._model or body.get("model")
        self._usage = body.get("usage") or self._usage
        self._tier = body.get("service_tier") or self._tier
        choices = sequence(body.get("choices"))
        for choice in choices[:1]:
            self._choice(mapping(choice))
        if self._foreign is None and body and "choices" not in body and not body.get("usage"):
            self._foreign = body

    def done(self) -> None:
        """The stream sent `[DONE]`. If it held something other than chunks, that alone proves no complete answer."""
        self.ended = self.ended or self._foreign is None

    def _choice(self, choice: Mapping[str, object]) -> None:
        # Some servers send a whole message in the place of a delta.
        delta = mapping(choice.get("delta")) or mapping(choice.get("message"))
        text = content_text(delta.get("content"))
        if text:
            self._text.append(text)
            self._length += len(text)
            if self._on_text is not None and self._length - self._told > self._length // GROWTH:
                self._told = self._length
                self._on_text("".join(self._text))
        if len(delta) > 1 or not text:
            self._beside.add(delta)
            self._refusal.append(content_text(delta.get("refusal")))
            for call in calls_given(delta):
                self._call(mapping(call))
        if choice.get("finish_reason"):
            self._finish = choice["finish_reason"]
            self.ended = True

    def _call(self, delta: Mapping[str, object]) -> None:
        function = mapping(delta.get("function"))
        call_id, name = str(delta.get("id") or ""), str(function.get("name") or "")
        given = function.get("arguments")
        arguments = given if isinstance(given, str) else "" if given is None else json.dumps(given)
        piece = self._piece(delta.get("index"), call_id, name, arguments)
        if piece is None:
            return
        piece.id = piece.id or call_id
        piece.name = piece.name or name
        if arguments:
            piece.arguments.append(arguments)
        if len(delta) > 2 or not function.keys() <= FUNCTION:
            piece.beside = beside_call(delta, piece.beside)

    def _piece(self, index: object, call_id: str, name: str, arguments: str) -> Piece | None:
        """The call that a delta belongs to: by its index, else by its id, else the last one, unless it begins another.

        None if the delta repeats a call that is there already.
        """
        named = next((piece for piece in self._calls if call_id and piece.id == call_id), None)
        if index is None:
            found = named or (self._calls[-1] if self._calls and not call_id else None)
        else:
            found = self._by_index.get(index)
            if found is not None and call_id and found.id not in ("", call_id):
                found = named  # a second id under one index is a second call
        if found is not None and another_begins(found, name, arguments):
            if call_id and found.id == call_id and found.name == name and "".join(found.arguments) == arguments:
                return None
            found = None
        if found is None:
            found = Piece()
            self._calls.append(found)
        if index is not None:
            self._by_index[index] = found
        return found

    def completion(self) -> dict[str, JSON]:
        """The chunks so far as a completion."""
        message: dict[str, JSON] = {
            **self._beside.value(),
            "content": "".join(self._text),
            "refusal": "".join(self._refusal),
            "tool_calls": [completed(each) for each in self._calls],
        }
        body: dict[str, object] = {
            "choices": [{"message": message, "finish_reason": self._finish}],
            "model": self._model,
            "usage": self._usage,
            "service_tier": self._tier,
        }
        return body  # pyright: ignore[reportReturnType]  # parsed JSON, all of it

    def checked(self) -> dict[str, JSON]:
        """The completion, if there was a finish reason.

        Raises:
            ModelFailed: there was none.
        """
        if self.ended:
            return self.completion()
        if self._foreign is not None:
            told = reported(self._foreign)
            words = told.message or words_of(self._foreign)
            raise failed(self._settings, ProviderError(words, told.status, told.codes), aloud=True)
        raise failed(self._settings, ProviderError("the stream ended before the answer did", kind="broken"))


def another_begins(found: Piece, name: str, arguments: str) -> bool:
    """Whether a delta with this name and these arguments begins another call, since it cannot continue this one."""
    if name and found.name and name != found.name:
        return True
    return bool(arguments.strip()) and (bool(name) or arguments.lstrip().startswith("{")) and found.whole


def completed(piece: Piece) -> dict[str, JSON]:
    """A call as it stands in a completion."""
    beside = dict(piece.beside)
    inner = beside.pop("function", None)
    function: dict[str, JSON] = dict(inner) if isinstance(inner, dict) else {}
    return {
        **beside,
        "id": piece.id,
        "function": {**function, "name": piece.name, "arguments": "".join(piece.arguments)},
    }
