"""The OpenAI chat format: a `ModelRequest` on its way out, a completion on its way in.

What goes out is legal for the strictest provider, whatever the log holds: models name tools in illegal characters,
repeat ids and give broken arguments, and a history that holds one such call would be refused with every later request.
Knows the format, no SDK and no provider.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import cast

from bridge_mcp.core.entries import Attachment, Call, Usage
from bridge_mcp.core.errors import BadJSON, ConfigError
from bridge_mcp.core.json_reader import read_json
from bridge_mcp.core.tools import JSON, MAX_NAME, ToolSpec
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.core.visible import visible
from bridge_mcp.models.failures import Trouble, failed
from bridge_mcp.models.files import Shown, note
from bridge_mcp.models.prices import Prices
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelCall, ModelReply, ModelRequest

__all__ = ["Offer", "chat_body", "chat_messages", "chat_tools", "checked_params", "read_completion", "reported"]

RESERVED = frozenset(
    {"model", "messages", "tools", "stream", "stream_options", "n", "api_key", "base_url", "timeout", "fallbacks"}
    | {"num_retries", "max_retries", "stream_timeout"}
)
"""Names that `params` may not set, because the bridge does."""

USUAL_TIERS = (None, "auto", "default", "standard")
"""The service tiers whose prices are the listed ones."""

OFFERS = 16
"""Sets of tools that are kept as they were written: about as many as channels differ in theirs."""

EMPTY = "(a message without text)"
NOTHING: Mapping[str, Shown] = {}


def checked_params(settings: ModelSettings) -> Mapping[str, JSON]:
    """The section's `params`.

    Raises:
        ConfigError: they set what the bridge sets itself.
    """
    for name in settings.params:
        if name in RESERVED:
            raise ConfigError(
                f"[models.{settings.name}] params: '{name}' may not be set here.",
                fix="The bridge sets it; take it out of params.",
            )
    return settings.params


def chat_body(
    model: str, request: ModelRequest, params: Mapping[str, JSON], shown: Mapping[str, Shown] | None = None
) -> dict[str, JSON]:
    """The body of a chat completion request, made anew: whoever gets it may change it. Its tools are an `Offer`'s."""
    messages = chat_messages(request.messages, shown or NOTHING)
    return {**params, "model": model, "messages": cast("JSON", messages)}


def chat_messages(messages: Sequence[ChatMessage], shown: Mapping[str, Shown]) -> list[dict[str, JSON]]:
    """The messages; each call with an id that is unique in its message, and its result with the same.

    A result may hold text only, so what is shown of its files follows the results as a user's message.
    """
    ids: dict[str, str] = {}
    out: list[dict[str, JSON]] = []
    given: list[JSON] = []
    for message in messages:
        if given and message.role != "tool":
            out.append({"role": "user", "content": given})
            given = []
        if message.role == "tool" and message.call is not None:
            given += files_of_result(message, shown)
            answered = ids.get(message.call.id, message.call.id)
            out.append({"role": "tool", "tool_call_id": answered, "content": text_of(message, shown)})
        elif message.calls:
            ids.update(call_ids(message.calls))
            calls: list[JSON] = [call_of(call, ids[call.id]) for call in message.calls]
            out.append({"role": "assistant", "content": text_of(message) or None, "tool_calls": calls})
        elif not message.attachments:
            out.append({"role": message.role, "content": message.told or EMPTY})
        else:
            out.append({"role": message.role, "content": content_of(message, shown)})
    if given:
        out.append({"role": "user", "content": given})
    return out


def content_of(message: ChatMessage, shown: Mapping[str, Shown]) -> JSON:
    """A message's text, or its parts where it has images or PDFs to show."""
    files = shown if message.role == "user" else NOTHING
    parts = parts_of(message.attachments, files)
    text = text_of(message, files)
    if not parts:
        return text or EMPTY
    return [text_part(text), *parts] if text else parts


def files_of_result(message: ChatMessage, shown: Mapping[str, Shown]) -> list[JSON]:
    """What a model is shown of the files that a call gave, behind words that say so."""
    parts = parts_of(message.attachments, shown)
    tool = message.call.tool if message.call else "a tool"
    return [text_part(f"[Given by the tool {tool}, with its result above:]"), *parts] if parts else []


def parts_of(files: Sequence[Attachment], shown: Mapping[str, Shown]) -> list[JSON]:
    """The parts of a message's content that show these files, as far as they are shown so."""
    parts: list[JSON] = []
    for file in files:
        look = shown.get(file.ref)
        if look is not None and look.image:
            parts.append({"type": "image_url", "image_url": {"url": look.image}})
        elif look is not None and look.pdf:
            name = visible(file.name) or "document.pdf"
            parts.append({"type": "file", "file": {"filename": name, "file_data": look.pdf}})
    return parts


def text_part(text: str) -> JSON:
    return {"type": "text", "text": text}


def text_of(message: ChatMessage, shown: Mapping[str, Shown] | None = None) -> str:
    """A message's text, with a note for each file that came with it and is no part of its own."""
    if not message.attachments:
        return message.told
    looked = [(file, (shown or NOTHING).get(file.ref)) for file in message.attachments]
    notes = [note(file, each) for file, each in looked if each is None or not (each.image or each.pdf)]
    return "\n".join(filter(None, (message.told, *notes)))


def call_ids(calls: Sequence[Call]) -> Iterator[tuple[str, str]]:
    """For each call of one message the id that goes out: the model's own where it is there and unique."""
    given = [call.model_id for call in calls]
    for call in calls:
        yield (
            call.id,
            call.model_id if call.model_id and given.count(call.model_id) == 1 else f"call_{call.id.replace('.', '_')}",
        )


def call_of(call: Call, call_id: str) -> dict[str, JSON]:
    """One call of an assistant's message."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", call.tool)[:MAX_NAME] or "unnamed"
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments_of(call.arguments)}}


def arguments_of(text: str) -> str:
    """The arguments as the text of a JSON object; what is none is shown to the model inside of one."""
    try:
        value = read_json(text) if text.strip() else {}
    except BadJSON:
        value = None
    return (text if text.strip() else "{}") if isinstance(value, dict) else json.dumps({"malformed": text})


def chat_tools(tools: Sequence[ToolSpec]) -> list[dict[str, JSON]]:
    """The tools on offer. A schema without properties gets an empty set of them, which OpenAI wants to see."""
    out: list[dict[str, JSON]] = []
    for spec in tools:
        schema = cast("dict[str, JSON]", json.loads(spec.schema))
        parameters: dict[str, JSON] = {"type": "object", "properties": {}, **schema}
        function: dict[str, JSON] = {"name": spec.name, "description": spec.description, "parameters": parameters}
        out.append({"type": "function", "function": function})
    return out


class Offer:
    """Tools in the chat format, written once for as long as they are the same tuple: a hundred of them are felt."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Sequence[ToolSpec], list[dict[str, JSON]], str]] = {}
        """By the tuple's address, which no other one has while this one is kept."""

    def listed(self, tools: Sequence[ToolSpec]) -> JSON:
        """The list, shared: nobody may change it."""
        return cast("JSON", self._of(tools)[1])

    def with_tools(self, body: Mapping[str, JSON], tools: Sequence[ToolSpec]) -> str:
        """The text of a body, which holds something, together with these tools, if there are any."""
        text = json.dumps(body)
        return f'{text[:-1]}, "tools": {self._of(tools)[2]}}}' if tools else text

    def _of(self, tools: Sequence[ToolSpec]) -> tuple[Sequence[ToolSpec], list[dict[str, JSON]], str]:
        found = self._known.get(id(tools))
        if found is None:
            if len(self._known) >= OFFERS:
                self._known.clear()
            listed = chat_tools(tools)
            found = self._known[id(tools)] = (tools, listed, json.dumps(listed))
        return found


def read_completion(
    settings: ModelSettings,
    completion: object,
    *,
    latency_s: float,
    prices: Prices | None = None,
    cost_usd: float | None = None,
) -> ModelReply:
    """The reply that a completion holds. It costs what the section's own prices say, else `prices`, else `cost_usd`.

    Raises:
        ModelFailed: it is no completion, its provider refused, or it holds neither text nor calls.
    """
    body = mapping(completion)
    if "error" in body and not body.get("choices"):
        raise failed(settings, reported(body["error"]))
    choices = sequence(body.get("choices"))
    if not choices:
        told = completion if isinstance(completion, str) else json.dumps(completion, default=str)
        raise failed(settings, Trouble(f"this is no chat completion: {told[:500]}", kind="provider"))
    choice = mapping(choices[0])
    message = mapping(choice.get("message"))
    text = content_text(message.get("content")) or refusal_text(message)
    calls = tuple(read_call(index, mapping(call)) for index, call in enumerate(sequence(message.get("tool_calls"))))
    finish = str(choice.get("finish_reason") or "")
    if not text.strip() and not calls:
        if finish == "content_filter":
            raise failed(settings, Trouble("the answer was withheld by a content filter", kind="refused"))
        raise failed(settings, Trouble(f"finish_reason is {finish or 'not given'}", kind="empty"))
    usage = read_usage(body.get("usage"), latency_s)
    cost = cost_of(settings, prices, body, usage)
    usage = replace(usage, cost_usd=cost_usd if cost is None else cost)
    return ModelReply(text, calls, str(body.get("model") or settings.model), usage)


def reported(error: object) -> Trouble:
    """An error that came as an answer, with or without a status of its own as its code."""
    told = mapping(error)
    code = told.get("code")
    status = code if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600 else None
    codes = tuple(str(value) for value in (code, told.get("type")) if isinstance(value, str))
    return Trouble(str(told.get("message") or told.get("detail") or error), status, codes)


def read_call(index: int, call: Mapping[str, object]) -> ModelCall:
    """One call as the model gave it; an id where its provider gives none."""
    function = mapping(call.get("function"))
    given = function.get("arguments")
    arguments = given if isinstance(given, str) else json.dumps({} if given is None else given)
    return ModelCall(str(call.get("id") or f"call_{index}"), str(function.get("name") or ""), arguments)


def read_usage(told: object, latency_s: float) -> Usage:
    """The tokens as the provider counted them."""
    usage = mapping(told)
    details = mapping(usage.get("prompt_tokens_details"))
    return Usage(
        input_tokens=tokens(usage.get("prompt_tokens")),
        output_tokens=tokens(usage.get("completion_tokens")),
        cached_tokens=tokens(details.get("cached_tokens")),
        latency_s=latency_s,
    )


def cost_of(settings: ModelSettings, prices: Prices | None, body: Mapping[str, object], usage: Usage) -> float | None:
    """What a call costs: at its section's prices, or at the listed ones if it was served at those; else None."""
    if not body.get("usage"):
        return None
    at = settings.prices or (prices if body.get("service_tier") in USUAL_TIERS else None)
    return at.cost(usage.input_tokens, usage.output_tokens, usage.cached_tokens) if at else None


def content_text(content: object) -> str:
    """A message's content as text: itself, or its text parts in order."""
    if isinstance(content, str):
        return content
    parts = (mapping(part) for part in sequence(content))
    return "".join(str(part.get("text") or "") for part in parts if part.get("type") == "text")


def refusal_text(message: Mapping[str, object]) -> str:
    """The words in which a model refused; litellm keeps them among what it knows no place for."""
    beside = mapping(message.get("provider_specific_fields"))
    return content_text(message.get("refusal")) or content_text(beside.get("refusal"))


def mapping(value: object) -> Mapping[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def sequence(value: object) -> Sequence[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def tokens(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
