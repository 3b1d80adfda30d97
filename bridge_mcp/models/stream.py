"""A completion that comes in pieces: the chunks of a stream, put together into what a whole answer would have been.

Providers agree on the chunks less than they say: ids and names come once or with every delta, indexes are missing or
all 0, several calls come by turns. Knows the format, no SDK and no provider.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge_mcp.core.tools import JSON
from bridge_mcp.models.failures import Trouble, failed
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.models.wire import content_text, mapping, reported, sequence
from bridge_mcp.ports import OnText

__all__ = ["Assembly"]


@dataclass(slots=True)
class Piece:
    """A call that is being put together."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])


class Assembly:
    """One completion in the making. `on_text` is told the whole text so far whenever it has grown."""

    def __init__(self, settings: ModelSettings, on_text: OnText | None = None) -> None:
        self.ended = False
        """Whether the model said that it is done: a stream that ends without that has been cut off."""
        self._settings = settings
        self._on_text = on_text
        self._text = ""
        self._refusal = ""
        self._calls: list[Piece] = []
        self._by_index: dict[object, Piece] = {}
        self._model: object = None
        self._usage: object = None
        self._tier: object = None
        self._finish: object = None

    def add(self, chunk: object) -> None:
        """Take in one chunk.

        Raises:
            ModelFailed: the chunk is an error.
        """
        body = mapping(chunk)
        if body.get("error"):
            raise failed(self._settings, reported(body["error"]))
        self._model = self._model or body.get("model")
        self._usage = body.get("usage") or self._usage
        self._tier = body.get("service_tier") or self._tier
        for choice in sequence(body.get("choices"))[:1]:
            self._choice(mapping(choice))

    def _choice(self, choice: Mapping[str, object]) -> None:
        # Some servers send a whole message where a delta belongs.
        delta = mapping(choice.get("delta")) or mapping(choice.get("message"))
        text = content_text(delta.get("content"))
        if text:
            self._text += text
            if self._on_text is not None:
                self._on_text(self._text)
        self._refusal += content_text(delta.get("refusal"))
        for call in sequence(delta.get("tool_calls")):
            self._call(mapping(call))
        if choice.get("finish_reason"):
            self._finish = choice["finish_reason"]
            self.ended = True

    def _call(self, delta: Mapping[str, object]) -> None:
        function = mapping(delta.get("function"))
        call_id, name = str(delta.get("id") or ""), str(function.get("name") or "")
        piece = self._piece(delta.get("index"), call_id, name)
        piece.id = piece.id or call_id
        piece.name = piece.name or name
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            piece.arguments.append(arguments)
        elif arguments is not None:
            piece.arguments.append(json.dumps(arguments))

    def _piece(self, index: object, call_id: str, name: str) -> Piece:
        """The call that a delta belongs to: by its index, else by its id, else the last one.

        A second id under one index is a second call, because some servers give all calls the index 0.
        """
        if index is None:
            found = next((piece for piece in self._calls if call_id and piece.id == call_id), None)
            if found is None and self._calls and not (call_id or name):
                found = self._calls[-1]
        else:
            found = self._by_index.get(index)
            if found is not None and call_id and found.id not in ("", call_id):
                found = next((piece for piece in self._calls if piece.id == call_id), None)
        if found is None:
            found = Piece()
            self._calls.append(found)
        if index is not None:
            self._by_index[index] = found
        return found

    def completion(self) -> dict[str, JSON]:
        """What came so far, in the shape of a whole completion."""
        calls: list[JSON] = [
            {"id": each.id, "function": {"name": each.name, "arguments": "".join(each.arguments)}}
            for each in self._calls
        ]
        message: dict[str, JSON] = {"content": self._text, "refusal": self._refusal, "tool_calls": calls}
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
        if not self.ended:
            raise failed(self._settings, Trouble("the stream ended before the answer did", kind="broken"))
        return self.completion()
