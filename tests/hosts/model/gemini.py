"""Google's Gemini API: Gemini CLI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.hosts.model.wire import Asked, Event, Shown, is_image, objects, text_of

__all__ = ["Gemini"]


class Gemini:
    """`POST /v1beta/models/MODEL:streamGenerateContent`."""

    suffix = ":streamGenerateContent"
    streams = True
    ended = ""

    def asked(self, body: Mapping[str, Any]) -> Asked:
        tools = [each for tool in objects(body.get("tools")) for each in objects(tool.get("functionDeclarations"))]
        results: dict[str, Shown] = {}
        for content in objects(body.get("contents")):
            parts = objects(content.get("parts"))
            for part in parts:
                answer = part.get("functionResponse")
                if answer:  # pictures stand in it, or beside it
                    told = answer.get("response", {})
                    results[str(answer.get("id"))] = Shown(text_of(told.get("output", told)), is_image(parts))
        return Asked([str(each["name"]) for each in tools], results)

    def says(self, text: str) -> Iterator[Event]:
        yield "", self.answer({"text": text})

    def calls(self, call: str, tool: str, arguments: Mapping[str, Any]) -> Iterator[Event]:
        yield "", self.answer({"functionCall": {"id": call, "name": tool, "args": arguments}})

    def whole(self, events: Sequence[Event]) -> dict[str, Any]:
        return events[0][1]

    def answer(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """An answer of one part."""
        candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
        usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-scripted"}
