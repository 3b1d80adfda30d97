"""Anthropic's Messages API: Claude Code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.hosts.model.wire import Asked, Event, Shown, is_image, objects, text_of

__all__ = ["Messages"]

USAGE = {"input_tokens": 1, "output_tokens": 1}


class Messages:
    """`POST /v1/messages`."""

    suffix = "/v1/messages"
    streams = False
    ended = ""

    def asked(self, body: Mapping[str, Any]) -> Asked:
        blocks = [block for message in objects(body.get("messages")) for block in objects(message.get("content"))]
        results = {
            str(block["tool_use_id"]): Shown(text_of(block.get("content")), is_image(block.get("content")))
            for block in blocks
            if block.get("type") == "tool_result"
        }
        return Asked([str(tool["name"]) for tool in objects(body.get("tools"))], results)

    def says(self, text: str) -> Iterator[Event]:
        yield from self.answer({"type": "text", "text": ""}, {"type": "text_delta", "text": text}, "end_turn")

    def calls(self, call: str, tool: str, arguments: Mapping[str, Any]) -> Iterator[Event]:
        block: dict[str, Any] = {"type": "tool_use", "id": call, "name": tool, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
        yield from self.answer(block, delta, "tool_use")

    def whole(self, events: Sequence[Event]) -> dict[str, Any]:
        data = {name: each for name, each in events}
        block, delta = data["content_block_start"]["content_block"], data["content_block_delta"]["delta"]
        said = {"text": delta["text"]} if "text" in delta else {"input": json.loads(delta["partial_json"])}
        return self.message() | data["message_delta"]["delta"] | {"content": [block | said]}

    def message(self) -> dict[str, Any]:
        head: dict[str, Any] = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-scripted",
            "content": [],
        }
        return head | {"stop_reason": None, "stop_sequence": None, "usage": USAGE}

    def answer(self, block: Mapping[str, Any], delta: Mapping[str, Any], reason: str) -> Iterator[Event]:
        """A message of one block."""
        parts: list[dict[str, Any]] = [
            {"type": "message_start", "message": self.message()},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": USAGE},
            {"type": "message_stop"},
        ]
        for part in parts:
            yield part["type"], part
