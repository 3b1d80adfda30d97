"""A completion that comes in pieces: the chunks of a stream, put together into what a whole answer would have been.

Providers agree on the chunks less than they say: ids and names come once or with every delta, indexes are missing or
all 0, ids are empty or all the same, several calls come by turns. Knows the format, no SDK and no provider.
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
"""By which part of itself a long text has to grow before it is told again."""


@dataclass(slots=True)
class Piece:
    """A call that is being put together."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])
    beside: dict[str, JSON] = field(default_factory=dict[str, JSON])

    @property
    def whole(self) -> bool:
        """Whether its arguments are the whole text of an object."""
        last = next((part for part in reversed(self.arguments) if part.strip()), "")
        if not last.rstrip().endswith("}"):
            return False
        try:
            return isinstance(read_json("".join(self.arguments)), dict)
        except BadJSON:
            return False


class StreamAccumulator:
    """One completion in the making.

    `on_text` is told the whole text so far whenever it has grown: of a long one by a part of itself, so that a text
    costs what it is long, and not its square.
    """

    def __init__(self, settings: ModelSettings, on_text: OnText | None = None) -> None:
        self.ended = False
        """Whether the model said that it is done: a stream that ends without that has been cut off."""
        self._settings = settings
        self._on_text = on_text
        self._text: list[str] = []
        self._length = self._told = 0
        """Characters of the text so far, and how many of them `on_text` knows."""
        self._refusal: list[str] = []
        self._beside = Beside()
        self._calls: list[Piece] = []
        self._by_index: dict[object, Piece] = {}
        self._model: object = None
        self._usage: object = None
        self._tier: object = None
        self._finish: object = None
        self._foreign: object = None
        """The first of what came among the chunks and is none of them."""

    def add(self, chunk: object) -> None:
        """Take in one chunk.

        Raises:
            ModelFailed: the chunk is an error, and the answer was not whole before it.
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
        """The stream said that it is at its end. Where something else than chunks came, that alone proves nothing."""
        self.ended = self.ended or self._foreign is None

    def _choice(self, choice: Mapping[str, object]) -> None:
        # Some servers send a whole message where a delta belongs.
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
        """The call that a delta belongs to: by its index, else by its id, else the last one, unless another begins.

        None where the delta says again what is there already.
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
        """What came so far, in the shape of a whole completion."""
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
        """The completion, if the model said that it is done.

        Raises:
            ModelFailed: it did not.
        """
        if self.ended:
            return self.completion()
        if self._foreign is not None:
            told = reported(self._foreign)
            words = told.message or words_of(self._foreign)
            raise failed(self._settings, ProviderError(words, told.status, told.codes), aloud=True)
        raise failed(self._settings, ProviderError("the stream ended before the answer did", kind="broken"))


def another_begins(found: Piece, name: str, arguments: str) -> bool:
    """Whether a delta with this name and these arguments cannot go on with a call, but begins one more."""
    if name and found.name and name != found.name:
        return True
    return bool(arguments.strip()) and (bool(name) or arguments.lstrip().startswith("{")) and found.whole


def completed(piece: Piece) -> dict[str, JSON]:
    """A call as a whole completion would hold it."""
    beside = dict(piece.beside)
    inner = beside.pop("function", None)
    function: dict[str, JSON] = dict(inner) if isinstance(inner, dict) else {}
    return {
        **beside,
        "id": piece.id,
        "function": {**function, "name": piece.name, "arguments": "".join(piece.arguments)},
    }
