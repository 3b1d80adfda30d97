"""OpenAI's Responses API: Codex."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.hosts.model.wire import Asked, Event, Shown, is_image, objects, text_of

__all__ = ["Responses"]

USAGE = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
BETWEEN = "."
"""What stands between a namespace and the name of a tool in it."""


class Responses:
    """`POST /v1/responses`. The name of a tool in a namespace is written `NAMESPACE.TOOL` here."""

    suffix = "/responses"
    streams = False
    ended = ""

    def asked(self, body: Mapping[str, Any]) -> Asked:
        names: list[str] = []
        for tool in objects(body.get("tools")):
            inner = objects(tool.get("tools")) if tool.get("type") == "namespace" else []
            names += [f"{tool['name']}{BETWEEN}{each['name']}" for each in inner]
            names += [str(tool["name"])] if not inner and "name" in tool else []
        results = {
            str(item["call_id"]): Shown(text_of(item.get("output")), is_image(item.get("output")))
            for item in objects(body.get("input"))
            if item.get("type") == "function_call_output"
        }
        return Asked(names, results)

    def says(self, text: str) -> Iterator[Event]:
        content: list[dict[str, Any]] = [{"type": "output_text", "text": text, "annotations": []}]
        yield from self.answer({"type": "message", "id": "m1", "role": "assistant", "content": content})

    def calls(self, call: str, tool: str, arguments: Mapping[str, Any]) -> Iterator[Event]:
        space, _, name = tool.rpartition(BETWEEN)
        item = {"type": "function_call", "id": f"fc_{call}", "call_id": call, "name": name}
        item["arguments"] = json.dumps(arguments)
        yield from self.answer(item | ({"namespace": space} if space else {}))

    def whole(self, events: Sequence[Event]) -> dict[str, Any]:
        response: dict[str, Any] = events[-1][1]["response"]
        return response

    def answer(self, item: Mapping[str, Any]) -> Iterator[Event]:
        """A response of one item."""
        head: dict[str, Any] = {"id": "resp_1", "object": "response", "status": "in_progress", "output": []}
        done = head | {"status": "completed", "output": [item], "usage": USAGE}
        parts: list[dict[str, Any]] = [
            {"type": "response.created", "response": head},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": done},
        ]
        for part in parts:
            yield part["type"], part
