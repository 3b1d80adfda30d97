"""OpenAI's chat completions: opencode, and whatever else takes an endpoint of that format."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.hosts.model.wire import Asked, Event, Shown, is_image, objects, text_of

__all__ = ["Completions"]

USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


class Completions:
    """`POST /v1/chat/completions`."""

    suffix = "/chat/completions"
    streams = False
    ended = "data: [DONE]\n\n"

    def asked(self, body: Mapping[str, Any]) -> Asked:
        messages = objects(body.get("messages"))
        results: dict[str, Shown] = {}
        for place, message in enumerate(messages):
            if message.get("role") == "tool":  # pictures may only come in a message of the user's behind it
                behind = [each.get("content") for each in messages[place:]]
                results[str(message["tool_call_id"])] = Shown(text_of(message.get("content")), is_image(behind))
        tools = [tool["function"] for tool in objects(body.get("tools")) if "function" in tool]
        return Asked([str(tool["name"]) for tool in tools], results)

    def says(self, text: str) -> Iterator[Event]:
        yield from self.answer({"role": "assistant", "content": text}, "stop")

    def calls(self, call: str, tool: str, arguments: Mapping[str, Any]) -> Iterator[Event]:
        function = {"name": tool, "arguments": json.dumps(arguments)}
        asked = [{"index": 0, "id": call, "type": "function", "function": function}]
        yield from self.answer({"role": "assistant", "tool_calls": asked}, "tool_calls")

    def whole(self, events: Sequence[Event]) -> dict[str, Any]:
        first, last = (each["choices"][0] for _, each in events)
        choice = {"index": 0, "message": first["delta"], "finish_reason": last["finish_reason"]}
        return self.head("chat.completion") | {"choices": [choice], "usage": USAGE}

    def head(self, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "scripted"}

    def answer(self, delta: Mapping[str, Any], reason: str) -> Iterator[Event]:
        """A delta, the end, and what it took."""
        head = self.head("chat.completion.chunk")
        yield "", head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        yield "", head | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": USAGE}
