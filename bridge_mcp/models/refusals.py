"""Reads refusals (HTTP 400): which tool a provider does not accept, and which provider fields it requires or rejects.

The request is then changed and retried, so that one odd tool, or an answer of another model, does not fail every
request of a chat. Knows the wording of providers, and no adapter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from msgspec import structs
from msgspec.structs import replace

from bridge_mcp.core.json_reader import read_json
from bridge_mcp.core.roles import alternating
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.tool_schemas import is_plain, schema_for_models

__all__ = [
    "WantedField",
    "about_roles",
    "in_turns",
    "suspects",
    "tool_limit",
    "unable_to_call",
    "wanted_field",
    "with_placeholder_fields",
    "without_provider_fields",
]

FIELD = r"reasoning\w*|thinking\w*|thought_signatures?|extra_content|provider_specific_fields"
BESIDE = re.compile(FIELD, re.IGNORECASE)
WANTED = re.compile(
    r"must be (passed|provided|included|present|sent)|missing|is required|required to|pass(ed)? back", re.I
)
FOREIGN = re.compile(
    r"unsupported|not supported|unknown|unrecognized|unexpected|extra (inputs|fields)|extra_forbidden"
    r"|additional propert|not permitted|not allowed|invalid (field|property)",
    re.IGNORECASE,
)

ROLES = re.compile(
    r"\broles?\b.{0,80}(alternat|after|unexpected|order|must)|(unexpected|invalid) role|must alternate|alternating",
    re.IGNORECASE | re.DOTALL,
)

UNABLE = re.compile(r"(does|do) not support (tools|function|tool)|tools? (is|are) not supported", re.IGNORECASE)
TOOL_LIMIT = re.compile(
    r"(?:maximum length|at most|maximum of|max(?:imum)?|limit(?: of| is)?)\D{0,12}(\d{1,4})", re.IGNORECASE
)
PLACE = re.compile(r"(?:tools|functions|function_declarations)[.\[](\d+)", re.IGNORECASE)

WantedField = str
"""Which field to send with answers of other models: `reasoning` or `signature`; or `nothing`, with any answer."""

NOT_KEPT = "(not kept)"
SKIP = "skip_thought_signature_validator"
"""The placeholder that Google documents for the missing signature of another model's call."""


def wanted_field(refusal: str, *, sent: bool) -> WantedField:
    """What a refusal says about provider fields; "" if it is about something else.

    `sent`: whether the request had any.
    """
    if BESIDE.search(refusal) and WANTED.search(refusal):
        return "signature" if "signature" in refusal.lower() else "reasoning"
    if sent and FOREIGN.search(refusal):
        return "nothing"
    return ""


def without_provider_fields(messages: Iterable[ChatMessage]) -> tuple[ChatMessage, ...]:
    """The messages without provider fields."""
    return tuple(replace(message, kept_for="") if message.kept_for else message for message in messages)


def with_placeholder_fields(
    messages: Iterable[ChatMessage], field: WantedField, identity: str
) -> tuple[ChatMessage, ...]:
    """The messages, with placeholders for the provider fields of answers that this model did not give."""
    return tuple(
        with_placeholder(message, field, identity) if message.calls and lacks(message, field, identity) else message
        for message in messages
    )


def lacks(message: ChatMessage, field: WantedField, identity: str) -> bool:
    """Whether an answer with calls lacks the provider field that is wanted."""
    if message.kept_for != identity:
        return True
    return not message.kept if field == "reasoning" else "signature" not in message.kept + message.calls[0].kept


def with_placeholder(message: ChatMessage, field: WantedField, identity: str) -> ChatMessage:
    same_model = message.kept_for == identity
    calls = message.calls if same_model else tuple(structs.replace(call, kept="") for call in message.calls)
    if field == "reasoning":
        placeholder = json.dumps({"reasoning_content": NOT_KEPT})
        return replace(message, kept=placeholder, kept_for=identity, calls=calls)
    signed = json.dumps({"extra_content": {"google": {"thought_signature": SKIP}}})
    calls = (structs.replace(calls[0], kept=signed), *calls[1:])
    return replace(message, kept=message.kept if same_model else "", kept_for=identity, calls=calls)


def about_roles(refusal: str) -> bool:
    """Whether a refusal is about the order of roles."""
    return ROLES.search(refusal) is not None


def in_turns(messages: Iterable[ChatMessage]) -> tuple[ChatMessage, ...]:
    """The messages for a server that refuses a user message after results: an assistant message goes between.

    Files of results make such a user message, since a result may hold text only.
    """
    ordered: list[ChatMessage] = []
    file_messages: list[ChatMessage] = []
    for message in messages:
        if file_messages and message.role != "tool":
            ordered += file_messages
            file_messages = []
        if message.role == "tool" and message.attachments:
            tool = message.call.tool if message.call else "a tool"
            file_messages.append(ChatMessage("user", f"[Given by the tool {tool}:]", attachments=message.attachments))
            message = replace(message, attachments=())
        ordered.append(message)
    return alternating([*ordered, *file_messages])


def unable_to_call(refusal: str) -> bool:
    """Whether a refusal says that the model calls no tools at all."""
    return UNABLE.search(refusal) is not None


def tool_limit(refusal: str, count: int) -> int | None:
    """The provider's limit of tools, if it refuses `count` of them as too many; else None."""
    match = TOOL_LIMIT.search(refusal)
    most = int(match[1]) if match else count
    return most if 0 < most < count and re.search(r"too (long|many)|exceed|at most|maximum", refusal, re.I) else None


def suspects(refusal: str, tools: Sequence[ToolSpec]) -> tuple[ToolSpec, ...]:
    """The tools that a refusal is about: by name or index, else those whose schemas use uncommon keywords."""
    specs_named = [spec for spec in tools if re.search(rf"(?<![\w-]){re.escape(spec.name)}(?![\w-])", refusal)]
    if specs_named:
        return tuple(specs_named)
    places = {int(number) for number in PLACE.findall(refusal)}
    indexed = [spec for place, spec in enumerate(tools) if place in places]
    return tuple(indexed or [spec for spec in tools if is_odd(spec)])


def is_odd(spec: ToolSpec) -> bool:
    schema = schema_for_models(spec.schema)
    return isinstance(schema, str) or not is_plain(schema) or not is_plain(read_json(spec.schema))
