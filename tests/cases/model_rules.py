"""What strict providers refuse, by the names that `strict` of a model file gives, and what is worth a note."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

__all__ = ["RULES", "notes", "refusal_of"]

Body = Mapping[str, Any]
PLAIN = re.compile(r"[A-Za-z0-9_-]{1,40}\Z")
NINE = re.compile(r"[A-Za-z0-9]{9}\Z")
MAX_TOOLS = 128


def messages_of(body: Body) -> list[dict[str, Any]]:
    return [message for message in body.get("messages") or () if isinstance(message, dict)]


def calls_of(body: Body) -> Iterator[dict[str, Any]]:
    for message in messages_of(body):
        yield from message.get("tool_calls") or ()


def reasoning(body: Body) -> Iterator[str]:
    for message in messages_of(body):
        thought = message.get("reasoning_content") or message.get("reasoning") or message.get("reasoning_details")
        if message.get("tool_calls") and not thought:
            yield "The reasoning_content in the thinking mode must be passed back to the API."


def signature(body: Body) -> Iterator[str]:
    for message in messages_of(body):
        calls = message.get("tool_calls") or ()
        if calls and "signature" not in json.dumps(calls[0]):
            yield "Function call is missing a thought_signature in functionCall parts."


def null_content(body: Body) -> Iterator[str]:
    for index, message in enumerate(messages_of(body)):
        if message.get("content") is None:
            yield f"messages.{index}.content: Input should be a valid string"


def roles(body: Body) -> Iterator[str]:
    before = ""
    for index, message in enumerate(messages_of(body)):
        role = message.get("role")
        if role == "system" and index:
            yield "Unexpected role 'system': only the first message may have it"
        if role == "user" and before in ("tool", "user"):
            yield f"Unexpected role 'user' after role '{before}'"
        if role == "assistant" and before == "assistant":
            yield "Unexpected role 'assistant' after role 'assistant'"
        before = str(role)


def ids(body: Body) -> Iterator[str]:
    given = [str(call.get("id") or "") for call in calls_of(body)]
    for index, call_id in enumerate(given):
        if not PLAIN.match(call_id):
            yield f"messages: tool_calls[{index}].id: '{call_id}' does not match ^[A-Za-z0-9_-]{{1,40}}$"
    for call_id, count in Counter(given).items():
        if count > 1:
            yield f"messages: the tool call id '{call_id}' stands {count} times in this request"


def nine(body: Body) -> Iterator[str]:
    for call in calls_of(body):
        if not NINE.match(str(call.get("id") or "")):
            yield f"Tool call id was {call.get('id')} but must be a-z, A-Z, 0-9, with a length of 9."


def last(body: Body) -> Iterator[str]:
    found = messages_of(body)
    if found and found[-1].get("role") == "assistant":
        yield "This model does not support assistant message prefill. The conversation must end with a user message."


def many_tools(body: Body) -> Iterator[str]:
    count = len(body.get("tools") or ())
    if count > MAX_TOOLS:
        yield f"Invalid 'tools': array too long. Expected an array with maximum length {MAX_TOOLS}, got {count}."


def schemas(body: Body) -> Iterator[str]:
    for tool in body.get("tools") or ():
        function: dict[str, Any] = tool.get("function") or {}
        for wrong in schema_faults(function.get("parameters"), root=True):
            yield f"Invalid schema for function '{function.get('name')}': {wrong}"


def unnamed_schemas(body: Body) -> Iterator[str]:
    """The same from a server that does not say which tool it means, as llama.cpp's grammars do not."""
    for wrong in schemas(body):
        yield f"JSON schema conversion failed: {wrong.partition(': ')[2]}"


def schema_faults(given: Any, *, root: bool = False) -> Iterator[str]:
    """What is wrong with a schema, and with those inside it."""
    if not isinstance(given, dict):
        yield f"{json.dumps(given)} is not of type 'object'"
        return
    schema = cast("dict[str, Any]", given)
    if root:
        yield from root_faults(schema)
    yield from keyword_faults(schema)
    properties: dict[str, Any] = schema.get("properties") or {}
    for name, value in properties.items():
        if not re.match(r"[a-zA-Z0-9_.-]{1,64}\Z", name):
            yield f"Property keys should match pattern '^[a-zA-Z0-9_.-]{{1,64}}$', got '{name}'"
        yield from schema_faults(value)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from schema_faults(schema[name])


def root_faults(schema: Mapping[str, Any]) -> Iterator[str]:
    if schema.get("type") != "object":
        yield f"schema must be a JSON Schema of 'type: \"object\"', got {json.dumps(schema.get('type'))}"
    if schema.keys() & {"anyOf", "oneOf", "allOf", "not", "enum"}:
        yield "schema must not have 'oneOf', 'anyOf', 'allOf', 'enum' or 'not' at the top level"


def keyword_faults(schema: Mapping[str, Any]) -> Iterator[str]:
    for name, value in schema.items():
        if value is None and name != "const":
            yield f"None is not valid under '{name}'"
    if schema.get("enum") == []:
        yield "[] should be non-empty under 'enum'"
    if schema.get("type") == "array" and "items" not in schema:
        yield "array schema missing items"
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and not (pattern.startswith("^") and pattern.endswith("$")):
        yield "Pattern must start with '^' and end with '$'"
    if isinstance(pattern, str) and re.search(r"\(\?[=!<]", pattern):
        yield "Pattern: lookarounds are not supported"


RULES: Mapping[str, Callable[[Body], Iterator[str]]] = {
    "reasoning": reasoning,
    "reasoning_content": reasoning,
    "signature": signature,
    "signatures": signature,
    "null_content": null_content,
    "roles": roles,
    "role_order": roles,
    "ids": ids,
    "nine": nine,
    "mistral": nine,
    "last": last,
    "prefill": last,
    "schemas": schemas,
    "unnamed_schemas": unnamed_schemas,
    "many_tools": many_tools,
    "tools": many_tools,
}
"""Each rule yields what is wrong with a request."""

NOTED = ("roles", "ids", "last", "many_tools")


def refusal_of(body: Body, strict: Sequence[str]) -> tuple[str, str] | None:
    """The first rule that a request breaks, and the words of its refusal."""
    for rule in strict:
        found = next(RULES[rule](body), None)
        if found is not None:
            return rule, found
    return None


def notes(body: Body) -> list[str]:
    """What some strict provider would refuse, though this one did not."""
    return [f"{rule}: {found}" for rule in NOTED for found in RULES[rule](body)]
