"""A strict reading of Anthropic's Messages format, and a chat completion told in it. Knows no server.

Written from Anthropic's public API documentation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from bridge_mcp.core.tools import JSON
from tests.servers.model_apis.chat_format import NAME, schema_problems
from tests.servers.model_apis.streams import pieces

__all__ = ["as_events", "as_message", "message_problems"]

PROPERTY = re.compile(r"^[a-zA-Z0-9_.-]{1,64}$")
STOPS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"}


def message_problems(body: Mapping[str, object]) -> tuple[str, ...]:
    """Everything that is wrong with the body of a Messages request; empty if nothing is."""
    return tuple(problems(body))


def problems(body: Mapping[str, object]) -> Iterator[str]:
    if not isinstance(body.get("model"), str):
        yield "model: Field required"
    if not isinstance(body.get("max_tokens"), int):
        yield "max_tokens: Field required"
    if "system" in body and not isinstance(body["system"], str):
        yield from block_problems("system", sequence(body["system"]), {"text"})
    messages = [mapping(message) for message in sequence(body.get("messages"))]
    if not messages:
        yield "messages: at least one message is required"
    elif messages[0].get("role") != "user":
        yield "messages: first message must use the 'user' role"
    waiting: set[str] = set()
    for index, message in enumerate(messages):
        yield from content_problems(f"messages.{index}", message)
        answered = ids(message, "tool_result", "tool_use_id")
        if waiting - answered:
            yield f"messages.{index}: `tool_use` ids without `tool_result` blocks: {', '.join(sorted(waiting))}"
        if answered - waiting:
            yield f"messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks"
        waiting = ids(message, "tool_use", "id")
    if messages and messages[-1].get("role") == "assistant":
        yield "This model does not support assistant message prefill. The conversation must end with a user message."
    given = [call_id for message in messages for call_id in ids(message, "tool_use", "id")]
    if len(set(given)) != len(given):
        yield "messages: `tool_use` ids must be unique"
    if waiting:
        yield f"messages: `tool_use` ids were never answered: {', '.join(sorted(waiting))}"
    yield from tool_problems(sequence(body.get("tools")))


def ids(message: Mapping[str, object], kind: str, name: str) -> set[str]:
    """The ids that a message's blocks of one kind carry."""
    blocks = [mapping(block) for block in sequence(message.get("content"))]
    return {str(block.get(name)) for block in blocks if block.get("type") == kind}


def content_problems(where: str, message: Mapping[str, object]) -> Iterator[str]:
    role, content = message.get("role"), message.get("content")
    if role not in ("user", "assistant"):
        yield f"{where}.role: 'user' or 'assistant' is required"
    if isinstance(content, str):
        if not content.strip():
            yield f"{where}: text content must be non-empty"
        return
    allowed = {"text", "tool_use"} if role == "assistant" else {"text", "image", "document", "tool_result"}
    yield from block_problems(where, sequence(content), allowed)


def block_problems(where: str, blocks: Sequence[object], allowed: set[str]) -> Iterator[str]:
    if not blocks:
        yield f"{where}.content: at least one block is required"
    for index, raw in enumerate(blocks):
        block, here = mapping(raw), f"{where}.content.{index}"
        kind = str(block.get("type"))
        if kind not in allowed:
            yield f"{here}.type: '{kind}' is not allowed here"
        if kind == "text" and not str(block.get("text") or "").strip():
            yield f"{here}: text content blocks must be non-empty"
        if kind == "tool_use" and not (isinstance(block.get("input"), dict) and NAME.match(str(block.get("name", "")))):
            yield f"{here}: a legal name and an input object are required"
        source = mapping(block.get("source"))
        if kind in ("image", "document") and not (
            source.get("type") == "base64" and source.get("media_type") and source.get("data")
        ):
            yield f"{here}.source: base64 data with its media_type is required"


def tool_problems(tools: Sequence[object]) -> Iterator[str]:
    for index, raw in enumerate(tools):
        tool = mapping(raw)
        if not NAME.match(str(tool.get("name", ""))):
            yield f"tools.{index}.name: not a legal name"
        schema = mapping(tool.get("input_schema"))
        if schema.get("type") != "object":
            yield f"tools.{index}.input_schema: a schema of type object is required"
        for wrong in schema_problems(schema):
            yield f"tools.{index}.custom.input_schema: {wrong}"
        for name in mapping(schema.get("properties")):
            if not PROPERTY.match(name):
                yield (
                    f"tools.{index}.custom.input_schema.properties: Property keys should match pattern "
                    f"'{PROPERTY.pattern}'"
                )


def as_message(completion: Mapping[str, JSON]) -> dict[str, JSON]:
    """What Anthropic would answer where OpenAI answers this completion."""
    choice = cast("dict[str, JSON]", cast("list[JSON]", completion["choices"])[0])
    message = cast("dict[str, JSON]", choice["message"])
    content: list[JSON] = [{"type": "text", "text": message["content"]}] if message["content"] else []
    for call in cast("list[dict[str, JSON]]", message.get("tool_calls") or []):
        function = cast("dict[str, JSON]", call["function"])
        given: JSON = json.loads(str(function["arguments"]))
        content.append({"type": "tool_use", "id": f"toolu_{call['id']}", "name": function["name"], "input": given})
    usage = cast("dict[str, JSON]", completion["usage"])
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": completion["model"],
        "content": content,
        "stop_reason": STOPS[str(choice["finish_reason"])],
        "stop_sequence": None,
        "usage": {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]},
    }


def as_events(message: Mapping[str, JSON]) -> Iterator[JSON]:
    """A message as the events of a stream, each as it is sent."""
    usage = cast("dict[str, JSON]", message["usage"])
    begun: dict[str, JSON] = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield sent({"type": "message_start", "message": begun})
    yield sent({"type": "ping"})
    for index, block in enumerate(cast("list[dict[str, JSON]]", message["content"])):
        text = block["type"] == "text"
        empty: dict[str, JSON] = {**block, **({"text": ""} if text else {"input": {}})}
        yield sent({"type": "content_block_start", "index": index, "content_block": empty})
        for piece in pieces(str(block["text"]) if text else json.dumps(block["input"])):
            delta: JSON = (
                {"type": "text_delta", "text": piece} if text else {"type": "input_json_delta", "partial_json": piece}
            )
            yield sent({"type": "content_block_delta", "index": index, "delta": delta})
        yield sent({"type": "content_block_stop", "index": index})
    ended: JSON = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield sent({"type": "message_delta", "delta": ended, "usage": {"output_tokens": usage["output_tokens"]}})
    yield sent({"type": "message_stop"})


def sent(event: Mapping[str, JSON]) -> str:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"


def mapping(value: object) -> Mapping[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def sequence(value: object) -> Sequence[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
