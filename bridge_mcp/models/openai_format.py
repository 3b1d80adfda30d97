"""Writes the OpenAI chat format: the body of a request from a `ModelRequest`.

The body is legal for the strictest provider, whatever the log holds: models name tools with illegal characters, repeat
ids and give broken arguments, and one such call in the history would make every later request fail. Knows the format,
no SDK and no provider.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import cast

from bridge_mcp.core.entries import Attachment, Call
from bridge_mcp.core.errors import BadJSON, ConfigError
from bridge_mcp.core.json_reader import read_json
from bridge_mcp.core.safe_text import visible
from bridge_mcp.core.tools import JSON, MAX_NAME, ToolSpec
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.files import FileView, note
from bridge_mcp.models.provider_fields import restored
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.models.tool_schemas import schema_for_models
from bridge_mcp.ports import ModelRequest

__all__ = ["ToolsJson", "chat_body", "chat_messages", "chat_tools", "checked_params", "wire_id"]

RESERVED = frozenset(
    {"model", "messages", "tools", "stream", "stream_options", "n", "api_key", "base_url", "timeout", "fallbacks"}
    | {"num_retries", "max_retries", "stream_timeout"}
)
"""Keys that `params` may not set, because the bridge sets them."""

OFFERS = 16
"""Sets of tools whose JSON is cached: about as many as channels have different ones."""

ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
"""Characters that are illegal in a tool's name."""
EMPTY = "(a message without text)"
NOTHING: Mapping[str, FileView] = {}


def checked_params(settings: ModelSettings) -> Mapping[str, JSON]:
    """The section's `params`.

    Raises:
        ConfigError: they hold a key that the bridge sets itself.
    """
    for name in settings.params:
        if name in RESERVED:
            raise ConfigError(
                f"[models.{settings.name}] params: '{name}' may not be set here.",
                fix="The bridge sets it; take it out of params.",
            )
    return settings.params


def chat_body(
    model: str,
    request: ModelRequest,
    params: Mapping[str, JSON],
    views: Mapping[str, FileView] | None = None,
    identity: str = "",
) -> dict[str, JSON]:
    """The body of a chat completion request without its tools, which `ToolsJson` adds. The caller may change it."""
    messages = chat_messages(request.messages, views or NOTHING, identity)
    return {**params, "model": model, "messages": cast("JSON", messages)}


def chat_messages(
    messages: Sequence[ChatMessage], views: Mapping[str, FileView], model: str = ""
) -> list[dict[str, JSON]]:
    """The messages for the `model` of this identity, without the provider fields of other models' answers.

    A tool's result may hold text only, so its images and PDFs follow the results as a user message.
    """
    converted: list[dict[str, JSON]] = []
    file_parts: list[JSON] = []
    for message in messages:
        if file_parts and message.role == "user":
            content = content_of(message, views)
            file_parts += content if isinstance(content, list) else [text_part(str(content))]
            converted.append({"role": "user", "content": file_parts})
            file_parts = []
            continue
        if file_parts and message.role != "tool":
            converted.append({"role": "user", "content": file_parts})
            file_parts = []
        if message.role == "tool" and message.call is not None:
            file_parts += files_of_result(message, views)
            converted.append(
                {"role": "tool", "tool_call_id": wire_id(message.call), "content": text_of(message, views)}
            )
        elif message.role == "assistant":
            converted.append(answer_of(message, restores=bool(model) and message.kept_for == model))
        elif not message.attachments:
            converted.append({"role": message.role, "content": message.told or EMPTY})
        else:
            converted.append({"role": message.role, "content": content_of(message, views)})
    if file_parts:
        converted.append({"role": "user", "content": file_parts})
    return converted


def answer_of(message: ChatMessage, *, restores: bool) -> dict[str, JSON]:
    """An assistant message; `restores`: with the provider fields that the model's provider wants back."""
    text = text_of(message)
    fields: dict[str, JSON] = restored(message.kept) if restores and message.kept else {}
    # An empty text, and not null: some servers refuse a message without content, and none refuses this with calls.
    fields |= {"role": "assistant", "content": text or ("" if message.calls else EMPTY)}
    if message.calls:
        fields["tool_calls"] = [call_of(call, restores=restores) for call in message.calls]
    return fields


def content_of(message: ChatMessage, views: Mapping[str, FileView]) -> JSON:
    """A message's content: its text, or parts if it has images or PDFs to show."""
    files = views if message.role == "user" else NOTHING
    parts = parts_of(message.attachments, files)
    text = text_of(message, files)
    if not parts:
        return text or EMPTY
    return [text_part(text), *parts] if text else parts


def files_of_result(message: ChatMessage, views: Mapping[str, FileView]) -> list[JSON]:
    """Content parts for the files of a tool's result, behind a sentence that says so."""
    parts = parts_of(message.attachments, views)
    tool = message.call.tool if message.call else "a tool"
    return [text_part(f"[Given by the tool {tool}, with its result above:]"), *parts] if parts else []


def parts_of(files: Sequence[Attachment], views: Mapping[str, FileView]) -> list[JSON]:
    """Content parts for the images and PDFs among these files."""
    parts: list[JSON] = []
    for file in files:
        view = views.get(file.ref)
        if view is not None and view.image:
            parts.append({"type": "image_url", "image_url": {"url": view.image}})
        elif view is not None and view.pdf:
            name = visible(file.name) or "document.pdf"
            parts.append({"type": "file", "file": {"filename": name, "file_data": view.pdf}})
    return parts


def text_part(text: str) -> JSON:
    return {"type": "text", "text": text}


def text_of(message: ChatMessage, views: Mapping[str, FileView] | None = None) -> str:
    """A message's text, with a note for each file that has no content part."""
    if not message.attachments:
        return message.told
    files_and_views = [(file, (views or NOTHING).get(file.ref)) for file in message.attachments]
    notes = [note(file, each) for file, each in files_and_views if each is None or not (each.image or each.pdf)]
    return "\n".join(filter(None, (message.told, *notes)))


def wire_id(call: Call) -> str:
    """The `tool_call_id` that is sent: derived from the call's own, so it is the same in every request.

    Nine letters and digits, which all providers accept: models give ids that are missing, repeated, or too long.
    """
    started, _, index = call.id.partition(".")
    if len(started) <= 6 and len(index) <= 2 and started.isdigit() and index.isdigit():
        return f"c{started.zfill(6)}{index.zfill(2)}"
    return f"x{hashlib.sha256(call.id.encode()).hexdigest()[:8]}"


def call_of(call: Call, *, restores: bool) -> dict[str, JSON]:
    """One call of an assistant message; `restores`: with its provider fields."""
    fields: dict[str, JSON] = restored(call.kept) if restores and call.kept else {}
    inner = fields.pop("function", None)
    function: dict[str, JSON] = dict(inner) if isinstance(inner, dict) else {}
    function["name"] = ILLEGAL.sub("_", call.tool)[:MAX_NAME] or "unnamed"
    function["arguments"] = arguments_of(call.arguments)
    return {**fields, "id": wire_id(call), "type": "function", "function": function}


def arguments_of(text: str) -> str:
    """The arguments as the text of a JSON object; anything else is wrapped into one, so that the model sees it."""
    try:
        value = read_json(text) if text.strip() else {}
    except BadJSON:
        value = None
    return (text if text.strip() else "{}") if isinstance(value, dict) else json.dumps({"malformed": text})


def chat_tools(tools: Sequence[ToolSpec]) -> list[dict[str, JSON]]:
    """The tools in the chat format, with schemas that providers accept; tools without such a schema are left out."""
    definitions: list[dict[str, JSON]] = []
    for spec in tools:
        schema = schema_for_models(spec.schema)
        if isinstance(schema, str):
            continue
        function: dict[str, JSON] = {"name": spec.name, "description": spec.description, "parameters": schema}
        definitions.append({"type": "function", "function": function})
    return definitions


class ToolsJson:
    """Caches the JSON of tools, by the identity of their tuple: writing a hundred of them takes noticeable time."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Sequence[ToolSpec], list[dict[str, JSON]], str]] = {}
        """By the tuple's `id()`, which no other has while this one is kept alive here."""

    def listed(self, tools: Sequence[ToolSpec]) -> JSON:
        """The tools as a list, which is shared: do not change it."""
        return cast("JSON", self._of(tools)[1])

    def with_tools(self, body: Mapping[str, JSON], tools: Sequence[ToolSpec]) -> str:
        """The JSON text of a non-empty body together with these tools, if there are any."""
        text = json.dumps(body)
        tools_json = self._of(tools)[2] if tools else ""
        return f'{text[:-1]}, "tools": {tools_json}}}' if tools_json else text

    def _of(self, tools: Sequence[ToolSpec]) -> tuple[Sequence[ToolSpec], list[dict[str, JSON]], str]:
        cached = self._known.get(id(tools))
        if cached is None:
            if len(self._known) >= OFFERS:
                self._known.clear()
            definitions = chat_tools(tools)
            cached = self._known[id(tools)] = (tools, definitions, json.dumps(definitions) if definitions else "")
        return cached
