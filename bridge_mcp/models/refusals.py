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
    "Beside",
    "about_roles",
    "beside_wanted",
    "fewest",
    "in_turns",
    "suspects",
    "unable_to_call",
    "with_beside",
    "without_beside",
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

Beside = str
"""Which field to send with answers of other models: `reasoning` or `signature`; or `nothing`, with any answer."""

NOT_KEPT = "(not kept)"
SKIP = "skip_thought_signature_validator"
"""The placeholder that Google documents for the missing signature of another model's call."""


def beside_wanted(told: str, *, sent: bool) -> Beside:
    """What a refusal says about provider fields; "" if it is about something else.

    `sent`: whether the request had any.
    """
    if BESIDE.search(told) and WANTED.search(told):
        return "signature" if "signature" in told.lower() else "reasoning"
    if sent and FOREIGN.search(told):
        return "nothing"
    return ""


def without_beside(messages: Iterable[ChatMessage]) -> tuple[ChatMessage, ...]:
    """The messages without provider fields."""
    return tuple(replace(message, kept_for="") if message.kept_for else message for message in messages)


def with_beside(messages: Iterable[ChatMessage], wanted: Beside, identity: str) -> tuple[ChatMessage, ...]:
    """The messages, with placeholders for the provider fields of answers that this model did not give."""
    return tuple(
        stood_in(message, wanted, identity) if message.calls and lacks(message, wanted, identity) else message
        for message in messages
    )


def lacks(message: ChatMessage, wanted: Beside, identity: str) -> bool:
    """Whether an answer with calls lacks the provider field that is wanted."""
    if message.kept_for != identity:
        return True
    return not message.kept if wanted == "reasoning" else "signature" not in message.kept + message.calls[0].kept


def stood_in(message: ChatMessage, wanted: Beside, identity: str) -> ChatMessage:
    own = message.kept_for == identity
    calls = message.calls if own else tuple(structs.replace(call, kept="") for call in message.calls)
    if wanted == "reasoning":
        kept = json.dumps({"reasoning_content": NOT_KEPT})
        return replace(message, kept=kept, kept_for=identity, calls=calls)
    signed = json.dumps({"extra_content": {"google": {"thought_signature": SKIP}}})
    calls = (structs.replace(calls[0], kept=signed), *calls[1:])
    return replace(message, kept=message.kept if own else "", kept_for=identity, calls=calls)


def about_roles(told: str) -> bool:
    """Whether a refusal is about the order of roles."""
    return ROLES.search(told) is not None


def in_turns(messages: Iterable[ChatMessage]) -> tuple[ChatMessage, ...]:
    """The messages for a server that refuses a user message after results: an assistant message goes between.

    Files of results make such a user message, since a result may hold text only.
    """
    out: list[ChatMessage] = []
    given: list[ChatMessage] = []
    for message in messages:
        if given and message.role != "tool":
            out += given
            given = []
        if message.role == "tool" and message.attachments:
            tool = message.call.tool if message.call else "a tool"
            given.append(ChatMessage("user", f"[Given by the tool {tool}:]", attachments=message.attachments))
            message = replace(message, attachments=())
        out.append(message)
    return alternating([*out, *given])


def unable_to_call(told: str) -> bool:
    """Whether a refusal says that the model calls no tools at all."""
    return UNABLE.search(told) is not None


def fewest(told: str, count: int) -> int | None:
    """The provider's limit of tools, if it refuses `count` of them as too many; else None."""
    found = TOOL_LIMIT.search(told)
    most = int(found[1]) if found else count
    return most if 0 < most < count and re.search(r"too (long|many)|exceed|at most|maximum", told, re.I) else None


def suspects(told: str, tools: Sequence[ToolSpec]) -> tuple[ToolSpec, ...]:
    """The tools that a refusal is about: by name or index, else those whose schemas use uncommon keywords."""
    named = [spec for spec in tools if re.search(rf"(?<![\w-]){re.escape(spec.name)}(?![\w-])", told)]
    if named:
        return tuple(named)
    places = {int(number) for number in PLACE.findall(told)}
    at = [spec for place, spec in enumerate(tools) if place in places]
    return tuple(at or [spec for spec in tools if is_odd(spec)])


def is_odd(spec: ToolSpec) -> bool:
    schema = schema_for_models(spec.schema)
    return isinstance(schema, str) or not is_plain(schema) or not is_plain(read_json(spec.schema))
