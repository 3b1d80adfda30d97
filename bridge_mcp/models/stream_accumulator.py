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
from bridge_mcp.models.provider_fields import FUNCTION, ProviderFields, call_fields
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import OnText

__all__ = ["StreamAccumulator"]

GROWTH = 64
"""A long text is passed on again once it has grown by 1/GROWTH of its length."""


@dataclass(slots=True)
class PartialCall:
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
        self._length = self._passed_on = 0
        """Characters of the text so far, and how many of them `on_text` got."""
        self._refusal: list[str] = []
        self._beside = ProviderFields()
        self._calls: list[PartialCall] = []
        self._by_index: dict[object, PartialCall] = {}
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
            if self._on_text is not None and self._length - self._passed_on > self._length // GROWTH:
                self._passed_on = self._length
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
        raw = function.get("arguments")
        arguments = raw if isinstance(raw, str) else "" if raw is None else json.dumps(raw)
        piece = self._piece(delta.get("index"), call_id, name, arguments)
        if piece is None:
            return
        piece.id = piece.id or call_id
        piece.name = piece.name or name
        if arguments:
            piece.arguments.append(arguments)
        if len(delta) > 2 or not function.keys() <= FUNCTION:
            piece.beside = call_fields(delta, piece.beside)

    def _piece(self, index: object, call_id: str, name: str, arguments: str) -> PartialCall | None:
        """The call that a delta belongs to: by its index, else by its id, else the last one, unless it begins another.

        None if the delta repeats a call that is there already.
        """
        same_id = next((piece for piece in self._calls if call_id and piece.id == call_id), None)
        if index is None:
            piece = same_id or (self._calls[-1] if self._calls and not call_id else None)
        else:
            piece = self._by_index.get(index)
            if piece is not None and call_id and piece.id not in ("", call_id):
                piece = same_id  # a second id under one index is a second call
        if piece is not None and begins_another(piece, name, arguments):
            if call_id and piece.id == call_id and piece.name == name and "".join(piece.arguments) == arguments:
                return None
            piece = None
        if piece is None:
            piece = PartialCall()
            self._calls.append(piece)
        if index is not None:
            self._by_index[index] = piece
        return piece

    def completion(self) -> dict[str, JSON]:
        """The chunks so far as a completion."""
        message: dict[str, JSON] = {
            **self._beside.value(),
            "content": "".join(self._text),
            "refusal": "".join(self._refusal),
            "tool_calls": [completed(call) for call in self._calls],
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
            error = reported(self._foreign)
            words = error.message or words_of(self._foreign)
            raise failed(self._settings, ProviderError(words, error.status, error.codes), aloud=True)
        raise failed(self._settings, ProviderError("the stream ended before the answer did", kind="broken"))


def begins_another(current: PartialCall, name: str, arguments: str) -> bool:
    """Whether a delta with this name and these arguments begins another call, since it cannot continue this one."""
    if name and current.name and name != current.name:
        return True
    return bool(arguments.strip()) and (bool(name) or arguments.lstrip().startswith("{")) and current.whole


def completed(piece: PartialCall) -> dict[str, JSON]:
    """A call as it stands in a completion."""
    beside = dict(piece.beside)
    inner = beside.pop("function", None)
    function: dict[str, JSON] = dict(inner) if isinstance(inner, dict) else {}
    return {
        **beside,
        "id": piece.id,
        "function": {**function, "name": piece.name, "arguments": "".join(piece.arguments)},
    }
