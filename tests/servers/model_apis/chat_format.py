"""A strict reading of the OpenAI chat format: what a careful provider would refuse in a request.

Knows the format alone; neither the server that uses it nor the bridge.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import cast

__all__ = ["STRICTER", "chat_problems"]

NAME = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
ID = re.compile(r"^[A-Za-z0-9_-]{1,40}$")
NINE = re.compile(r"^[A-Za-z0-9]{9}$")
ROLES = ("system", "developer", "user", "assistant", "tool")
MAX_TOOLS = 128

STRICTER = frozenset({"alternate", "nine", "reasoning", "signature"})
"""What only some providers want: a word of the assistant between results and a user (Mistral's templates); ids of nine
letters and digits (Mistral); `reasoning_content` beside calls (DeepSeek); a thought's signature in the first of an
answer's calls (Gemini)."""


def chat_problems(body: Mapping[str, object], stricter: Set[str] = frozenset()) -> tuple[str, ...]:
    """Everything that is wrong with the body of a chat completion request; empty if nothing is.

    `stricter` names what is wanted beyond that: some of `STRICTER`.

    Each call of an assistant's message must be answered by exactly one tool message that stands directly behind it, and
    each tool message must answer such a call.
    """
    messages, tools = body.get("messages"), body.get("tools")
    found: list[str] = []
    if not isinstance(body.get("model"), str):
        found.append("model: a string is required")
    if not isinstance(messages, list) or not messages:
        found.append("messages: a list of at least one message is required")
    else:
        told = cast("list[object]", messages)
        found.extend(message_problems(told))
        found.extend(order_problems(told, alternate="alternate" in stricter))
        found.extend(id_problems(told, NINE if "nine" in stricter else ID))
        found.extend(beside_problems(told, stricter))
    if body.get("stream_options") is not None and not body.get("stream"):
        found.append("stream_options: only allowed where stream is true")
    if tools is not None:
        if not isinstance(tools, list) or not tools:
            found.append("tools: a list of at least one tool is required where it is given")
        else:
            found.extend(tool_problems(cast("list[object]", tools)))
    return tuple(found)


def message_problems(messages: Sequence[object]) -> Iterator[str]:
    """What is wrong with the messages, and with the pairing of calls and results across them."""
    waiting: list[str] = []
    for index, raw in enumerate(messages):
        where = f"messages.{index}"
        if not isinstance(raw, dict):
            yield f"{where}: an object is required"
            continue
        message = cast("dict[str, object]", raw)
        role = message.get("role")
        if role not in ROLES:
            yield f"{where}.role: one of {', '.join(ROLES)} is required"
        if role == "tool":
            answered = message.get("tool_call_id")
            if not isinstance(answered, str) or answered not in waiting:
                yield f"{where}: a tool message must answer a call of the assistant's message before it"
            else:
                waiting.remove(answered)
        elif waiting:
            yield f"{where}: these calls were not answered directly behind them: {', '.join(waiting)}"
            waiting = []
        yield from content_problems(where, message)
        if role == "assistant" and "tool_calls" in message:
            waiting = call_ids(message["tool_calls"])
            yield from call_problems(f"{where}.tool_calls", message["tool_calls"])
        elif "tool_calls" in message:
            yield f"{where}.tool_calls: only an assistant's message has calls"
    if waiting:
        yield f"messages: these calls were never answered: {', '.join(waiting)}"


def mapping(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def is_silent(message: Mapping[str, object]) -> bool:
    """Whether an assistant's message holds no calls either."""
    return message.get("role") == "assistant" and not message.get("tool_calls")


def order_problems(messages: Sequence[object], *, alternate: bool) -> Iterator[str]:
    """What strict providers refuse in the order of roles."""
    before = ""
    for index, message in enumerate(map(mapping, messages)):
        role = str(message.get("role"))
        if role == "system" and index:
            yield f"messages.{index}: only the first message may have the role 'system'"
        if role == before != "tool" or (alternate and (before, role) == ("tool", "user")):
            yield f"messages.{index}: Unexpected role '{role}' after role '{before}'"
        if role == "assistant" and before in ("", "system"):
            yield f"messages.{index}: the conversation must begin with a user's message"
        before = role
    if before == "assistant":
        yield "messages: the conversation must end with a user's message or a result, not with the assistant's"


def id_problems(messages: Sequence[object], shape: re.Pattern[str]) -> Iterator[str]:
    """What is wrong with the ids of calls over the whole request."""
    given = [call_id for message in map(mapping, messages) for call_id in call_ids(message.get("tool_calls"))]
    for call_id, count in Counter(given).items():
        if not shape.match(call_id):
            yield f"messages: the tool call id {call_id!r} does not match {shape.pattern}"
        if count > 1:
            yield f"messages: the tool call id {call_id!r} stands for {count} calls"


def beside_problems(messages: Sequence[object], stricter: Set[str]) -> Iterator[str]:
    """What is missing beside calls, where a provider wants its own back."""
    for index, message in enumerate(map(mapping, messages)):
        calls = message.get("tool_calls")
        if not isinstance(calls, list) or not calls:
            continue
        if "reasoning" in stricter and not message.get("reasoning_content"):
            yield f"messages.{index}: The `reasoning_content` in the thinking mode must be passed back to the API."
        google = mapping(mapping(mapping(cast("list[object]", calls)[0]).get("extra_content")).get("google"))
        if "signature" in stricter and not google.get("thought_signature"):
            yield f"messages.{index}: Function call is missing a thought_signature in functionCall parts."


def content_problems(where: str, message: Mapping[str, object]) -> Iterator[str]:
    """What is wrong with a message's content: only an assistant's message with calls may have an empty one."""
    content = message.get("content")
    if content is None:
        yield f"{where}.content: text is required, if only an empty one beside calls"
    elif isinstance(content, str):
        if not content and (message.get("role") == "user" or is_silent(message)):
            yield f"{where}.content: this text must not be empty"
    elif not isinstance(content, list) or not content:
        yield f"{where}.content: a text or a list of parts is required"
    else:
        for number, part in enumerate(cast("list[object]", content)):
            told = cast("dict[str, object]", part) if isinstance(part, dict) else {}
            kind = str(told.get("type"))
            if kind not in PARTS:
                yield f"{where}.content.{number}: an object with a type, one of {', '.join(PARTS)}, is required"
            elif kind != "text" and message.get("role") != "user":
                yield f"{where}.content.{number}: only a user's message may hold an {kind}"
            elif not PARTS[kind](told.get(kind)):
                yield f"{where}.content.{number}.{kind}: it is not of its shape"


def is_text(value: object) -> bool:
    return isinstance(value, str)


def is_image(value: object) -> bool:
    """A link to an image, or a data URL of one."""
    url = cast("dict[str, object]", value).get("url") if isinstance(value, dict) else None
    return isinstance(url, str) and url.startswith(("https://", "http://", "data:image/"))


def is_file(value: object) -> bool:
    """A file by its id, or a PDF as a data URL with a name."""
    told = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    data = told.get("file_data")
    named = isinstance(told.get("filename"), str) and bool(told.get("filename"))
    return isinstance(told.get("file_id"), str) or (
        named and isinstance(data, str) and data.startswith("data:application/pdf;base64,")
    )


def is_audio(value: object) -> bool:
    told = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    return isinstance(told.get("data"), str) and told.get("format") in ("wav", "mp3")


PARTS: Mapping[str, Callable[[object], bool]] = {
    "text": is_text,
    "image_url": is_image,
    "file": is_file,
    "input_audio": is_audio,
}
"""The parts that a message's content may have, and how to know one."""


def call_ids(calls: object) -> list[str]:
    """The ids of an assistant's calls, as far as they can be read."""
    if not isinstance(calls, list):
        return []
    ids = (cast("dict[str, object]", call).get("id") for call in cast("list[object]", calls) if isinstance(call, dict))
    return [call_id for call_id in ids if isinstance(call_id, str)]


def call_problems(where: str, calls: object) -> Iterator[str]:
    """What is wrong with the calls of one message."""
    if not isinstance(calls, list) or not calls:
        yield f"{where}: a list of at least one call is required"
        return
    ids = call_ids(cast("object", calls))
    if len(set(ids)) != len(ids):
        yield f"{where}: the ids are not unique"
    for index, raw in enumerate(cast("list[object]", calls)):
        call = cast("dict[str, object]", raw) if isinstance(raw, dict) else {}
        function = call.get("function")
        if not isinstance(call.get("id"), str) or not call.get("id") or call.get("type") != "function":
            yield f"{where}.{index}: an id and the type 'function' are required"
        if not isinstance(function, dict):
            yield f"{where}.{index}.function: an object is required"
            continue
        told = cast("dict[str, object]", function)
        if not NAME.match(str(told.get("name", ""))):
            yield f"{where}.{index}.function.name: {told.get('name')!r} is not a legal name"
        if not is_object_text(told.get("arguments")):
            yield f"{where}.{index}.function.arguments: the text of a JSON object is required"


def is_object_text(text: object) -> bool:
    """Whether this is the JSON text of an object."""
    if not isinstance(text, str):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def tool_problems(tools: Sequence[object]) -> Iterator[str]:
    """What is wrong with the tools on offer."""
    names: list[object] = []
    for index, raw in enumerate(tools):
        where = f"tools.{index}"
        tool = cast("dict[str, object]", raw) if isinstance(raw, dict) else {}
        function = tool.get("function")
        if tool.get("type") != "function" or not isinstance(function, dict):
            yield f"{where}: the type 'function' and a function are required"
            continue
        told = cast("dict[str, object]", function)
        names.append(told.get("name"))
        if not NAME.match(str(told.get("name", ""))):
            yield f"{where}.function.name: {told.get('name')!r} is not a legal name"
        schema = mapping(told.get("parameters"))
        for wrong in (*root_problems(schema), *schema_problems(schema)):
            yield f"Invalid schema for function '{told.get('name')}': {wrong}"
    if len(tools) > MAX_TOOLS:
        yield (
            f"Invalid 'tools': array too long. Expected an array with maximum length {MAX_TOOLS}, "
            f"but got an array with length {len(tools)} instead."
        )
    if len(set(map(str, names))) != len(names):
        yield "tools: the names are not unique"


def root_problems(schema: Mapping[str, object]) -> Iterator[str]:
    """What is wrong with the root of a schema of arguments."""
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        yield "a schema of type object with properties is required"
    if schema.keys() & {"anyOf", "oneOf", "allOf", "enum", "not"}:
        yield "it must not have 'oneOf', 'anyOf', 'allOf', 'enum' or 'not' at the top level"


def schema_problems(schema: Mapping[str, object]) -> Iterator[str]:
    """What is wrong with a schema and with the schemas of its properties and items."""
    for name, value in schema.items():
        if value is None:
            yield f"None is not valid under '{name}'"
    if schema.get("enum") == []:
        yield "[] should be non-empty under 'enum'"
    if schema.get("type") == "array" and "items" not in schema and "prefixItems" not in schema:
        yield "array schema missing items"
    for name, value in mapping(schema.get("properties")).items():
        if not isinstance(value, dict | bool):
            yield f"{value!r} is not a schema, under '{name}'"
        if isinstance(value, dict):
            yield from schema_problems(cast("dict[str, object]", value))
    items = schema.get("items")
    if isinstance(items, dict):
        yield from schema_problems(cast("dict[str, object]", items))
