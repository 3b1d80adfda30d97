"""Reads the OpenAI chat format: a completion as a `ModelReply`, an error as a `ProviderError`.

Knows the format, no SDK and no provider.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from msgspec import structs

from bridge_mcp.core.entries import Usage
from bridge_mcp.models.errors import Kind, ProviderError, failed
from bridge_mcp.models.finish_reasons import Ending, ending_of
from bridge_mcp.models.prices import Prices
from bridge_mcp.models.provider_fields import ProviderFields, call_fields, kept_text
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.models.thoughts import without_thoughts
from bridge_mcp.ports import ModelCall, ModelReply

__all__ = ["content_text", "error_in", "mapping", "read_completion", "reported", "sequence"]

USUAL_TIERS = (None, "auto", "default", "standard")
"""The service tiers whose prices are the listed ones."""

MAX_ID = 200
"""Characters of a call's id that are kept: no provider sees them again."""
MAX_TOKENS = 10**9
"""Of one answer."""
MAX_WORDS = 2_000
"""Characters of an error's message."""

SIGNED = "__thought__"
"""litellm's separator between a call's id and its thought signature (Gemini)."""


def read_completion(
    settings: ModelSettings,
    completion: object,
    *,
    latency_s: float,
    prices: Prices | None = None,
    cost_usd: float | None = None,
) -> ModelReply:
    """The reply in a completion. Its cost is by the section's own prices, else by `prices`, else `cost_usd`.

    Raises:
        ModelFailed: it is no completion, its provider refused or broke off, or it has neither text nor calls.
    """
    body = mapping(completion)
    choices = sequence(body.get("choices"))
    error = None if choices else error_in(completion)
    if error is not None:
        raise failed(settings, reported(error))
    if not choices:
        quoted = completion if isinstance(completion, str) else json.dumps(completion, default=str)
        raise failed(settings, ProviderError(f"this is not a chat completion: {quoted[:500]}", kind="provider"))
    choice = mapping(choices[0])
    message = mapping(choice.get("message"))
    beside = ProviderFields()
    beside.add(message)
    words = content_text(message.get("content")) or refusal_text(message)
    text, thought = without_thoughts(words)
    calls = tuple(read_call(index, mapping(call)) for index, call in enumerate(calls_given(message)))
    finish = str(choice.get("finish_reason") or "")
    native = mapping(choice.get("provider_specific_fields")).get("native_finish_reason")
    if isinstance(native, str) and ending_of(finish) == "whole" and ending_of(native) != "other":
        finish = native  # litellm maps several finish reasons to "stop"
    ending = ending_of(finish)
    if ending == "broken":
        raise failed(settings, ProviderError(f"the provider ended the answer with '{finish[:100]}'", kind="broken"))
    if not text.strip() and not calls:
        raise failed(settings, nothing_said(ending, finish, thought or beside.thought))
    usage = read_usage(body.get("usage"), latency_s)
    cost = cost_of(settings, prices, body, usage)
    return ModelReply(
        text,
        calls,
        str(body.get("model") or settings.model),
        usage=structs.replace(usage, cost_usd=cost_usd if cost is None else cost),
        finish="" if ending == "whole" else finish[:100] if ending == "other" else ending,
        kept=kept_text(beside.value()),
        kept_for=settings.identity,
    )


def calls_given(message: Mapping[str, object]) -> Sequence[object]:
    """The `tool_calls` of a message or delta, or its one `function_call` of the older format."""
    older = message.get("function_call")
    return sequence(message.get("tool_calls")) or ([{"function": older}] if mapping(older) else ())


def nothing_said(ending: Ending, finish: str, thought: bool) -> ProviderError:
    """The error for an answer with neither text nor calls."""
    if ending == "content_filter":
        return ProviderError("the answer was withheld by a content filter", kind="refused")
    kind: Kind = "used_up" if ending == "length" else "only_thought" if thought else "empty"
    return ProviderError(f"finish_reason is {finish[:100] or 'not given'}", kind=kind)


# -- errors ------------------------------------------------------------------------------------------------------------


def error_in(answer: object) -> object:
    """The error object of a response, in whatever shape; None if it is no error."""
    body = mapping(unwrapped(answer))
    if body.get("error"):
        return body["error"]
    return body if "error" in (body.get("object"), body.get("type")) else None


def unwrapped(value: object) -> object:
    """The first element of a list: Gemini's endpoint wraps its errors so."""
    return next(iter(sequence(value)), value)


def reported(error: object) -> ProviderError:
    """An error object as a `ProviderError`; its code may be an HTTP status."""
    error = unwrapped(error)
    fields = mapping(error)
    inner = mapping(fields.get("error"))
    fields = inner or fields
    codes = [fields.get(name) for name in ("code", "type", "status")]
    statuses = (status_of(fields.get(name)) for name in ("code", "status", "status_code", "http_status"))
    return ProviderError(
        words_of(inner or error)[:MAX_WORDS],
        next((status for status in statuses if status is not None), None),
        tuple(code for code in codes if isinstance(code, str) and not code.isdigit()),
    )


def status_of(code: object) -> int | None:
    """The code as an HTTP status, if it is a number or digits."""
    if isinstance(code, str) and code.isdigit() and len(code) == 3:
        code = int(code)
    return code if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600 else None


def words_of(value: object) -> str:
    """An error's message, wherever it is in the object, else the whole object as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        first_items = cast("list[object]", value)[:3]
        return "; ".join(filter(None, (words_of(item) for item in first_items)))
    fields = mapping(value)
    for name in ("message", "msg", "detail", "error", "error_message", "title", "description", "reason"):
        if fields.get(name):
            raw = mapping(fields.get("metadata")).get("raw")
            return f"{words_of(fields[name])}: {raw}" if isinstance(raw, str) and raw else words_of(fields[name])
    return json.dumps(value, default=str) if value else ""


# -- parts of a completion ---------------------------------------------------------------------------------------------


def read_call(index: int, call: Mapping[str, object]) -> ModelCall:
    """One call as the model gave it, with an id if its provider gave none."""
    function = mapping(call.get("function"))
    raw = function.get("arguments")
    arguments = raw if isinstance(raw, str) else json.dumps({} if raw is None else raw)
    beside = call_fields(call)
    call_id, _, signature = str(call.get("id") or f"call_{index}").partition(SIGNED)
    if signature:
        fields = beside.get("provider_specific_fields")
        own_fields = fields if isinstance(fields, dict) else {}
        beside["provider_specific_fields"] = {"thought_signature": signature, **own_fields}
    return ModelCall(
        call_id[:MAX_ID],
        str(function.get("name") or ""),
        arguments,
        kept=kept_text(beside),
    )


def read_usage(raw: object, latency_s: float) -> Usage:
    """The token counts of `usage`, as far as they are numbers."""
    usage = mapping(raw)
    details = mapping(usage.get("prompt_tokens_details"))
    return Usage(
        input_tokens=tokens(usage.get("prompt_tokens")),
        output_tokens=tokens(usage.get("completion_tokens")),
        cached_tokens=tokens(details.get("cached_tokens")),
        latency_s=latency_s,
    )


def cost_of(settings: ModelSettings, prices: Prices | None, body: Mapping[str, object], usage: Usage) -> float | None:
    """A call's cost: by its section's prices, or by the listed ones if it ran at a usual service tier; else None."""
    if not body.get("usage"):
        return None
    at = settings.prices or (prices if body.get("service_tier") in USUAL_TIERS else None)
    return at.cost(usage.input_tokens, usage.output_tokens, usage.cached_tokens) if at else None


def content_text(content: object) -> str:
    """A message's content as text: a string, or its text parts in order."""
    if isinstance(content, str):
        return content
    parts = (mapping(part) for part in sequence(content))
    return "".join(str(part.get("text") or "") for part in parts if part.get("type") == "text")


def refusal_text(message: Mapping[str, object]) -> str:
    """The `refusal` of a message; litellm keeps it in `provider_specific_fields`."""
    beside = mapping(message.get("provider_specific_fields"))
    return content_text(message.get("refusal")) or content_text(beside.get("refusal"))


def mapping(value: object) -> Mapping[str, object]:
    """The value, or an empty mapping if it is none."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def sequence(value: object) -> Sequence[object]:
    """The value, or an empty sequence if it is no list."""
    return cast("list[object]", value) if isinstance(value, list) else []


def tokens(value: object) -> int:
    """A number of tokens that can be one: others could not be stored, nor counted."""
    return value if isinstance(value, int) and 0 < value < MAX_TOKENS else 0
