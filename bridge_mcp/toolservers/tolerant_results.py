"""Results of calls that bend the protocol's form, read as far as they can be: the call has run, and its answer is here.

Refusing the whole answer for one odd part would hide what the tool did. So what MCP says is read, what servers are
known to send instead is read too (a text in the place of a list of content, a number in the place of a text, flags as
words), and every part that stays unknown is named in its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from mcp_types import CallToolResult, ContentBlock, TextContent, methods
from pydantic import TypeAdapter, ValidationError

from bridge_mcp.core.safe_text import visible
from bridge_mcp.core.tools import JSON

__all__ = ["ERAS", "RAW_RESULT", "CallResult", "call_result", "object_result", "session_result", "sound"]

ERAS: Mapping[str, Mapping[str, Any]] = {
    "2025-11-25": {},
    "2026-07-28": {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"},
}
"""A version of each era by which sessions may judge a result, and what a page of a list has beside its items."""

RAW_RESULT: Final = "bridge-mcp/result"
"""Where in `_meta` a bent result stands whole, in a straight one that the session takes in its place."""

BLOCK: TypeAdapter[ContentBlock] = TypeAdapter(ContentBlock)

MAX_BLOCKS = 10_000
"""Parts of a result that are read one by one."""
MAX_NAME = 60
"""Characters of an unknown part's type that are told."""
KNOWN = frozenset({"content", "structuredContent", "isError", "_meta", "toolResult", "resultType"})
OPTIONAL = ("annotations", "_meta", "icons", "size", "title", "description")
"""What a part may have and nobody here needs: where it is not as it must be, the part is read without."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a call's answer says. `structured` is None where it has no structured part."""

    content: list[ContentBlock]
    structured: JSON = None
    is_error: bool = False
    wants_input: bool = False
    """The server asks for input first: nothing has run yet."""


def call_result(raw: Mapping[str, Any]) -> CallResult:
    """The result of a `tools/call`, by the schema of MCP and, where it does not keep to that, part by part."""
    if raw.get("resultType") == "input_required":
        return CallResult([], wants_input=True)
    try:
        straight = CallToolResult.model_validate(raw, by_name=False)
    except ValidationError:
        return CallResult(content_of(raw), raw.get("structuredContent"), truth(raw.get("isError")))
    return CallResult(straight.content, straight.structured_content, straight.is_error)


def session_result(answer: CallToolResult) -> CallResult:
    """The result that a session gave: it, or the bent one that it holds (see `tolerant_session.straighten`)."""
    bent: object = (answer.meta or {}).get(RAW_RESULT)
    if isinstance(bent, dict):
        return call_result(cast("dict[str, Any]", bent))
    return CallResult(answer.content, answer.structured_content, answer.is_error)


def object_result(given: object) -> dict[str, Any]:
    """The result of an answer as the object that JSON-RPC's methods of MCP have; what is none is put into one."""
    if isinstance(given, dict):
        return cast("dict[str, Any]", given)
    return {} if given is None else {"content": given}


def sound(raw: Mapping[str, Any]) -> bool:
    """Whether sessions of every protocol version take this result of a call as it is."""
    try:
        for version in ERAS:
            methods.validate_server_result("tools/call", version, {"resultType": "complete", **raw})
    except ValidationError:
        return False
    structured = raw.get("structuredContent", {})
    return isinstance(structured, dict) and isinstance(raw.get("isError", False), bool)


def content_of(raw: Mapping[str, Any]) -> list[ContentBlock]:
    """The content of a bent result; `toolResult` is what the protocol's first drafts had in its place.

    Where it has none and is something else altogether, that is told as JSON.
    """
    content: object = raw.get("content")
    if content is None:
        content = raw.get("toolResult")
    if content is None and raw.keys() - KNOWN and raw.get("structuredContent") is None:
        content = json.dumps({name: raw[name] for name in sorted(raw.keys() - KNOWN)}, ensure_ascii=False)
    if not isinstance(content, list):
        content = [] if content is None else [content]
    blocks = cast("list[object]", content)
    read = [block_of(each) for each in blocks[:MAX_BLOCKS]]
    if len(blocks) > MAX_BLOCKS:
        read.append(text(f"[{len(blocks) - MAX_BLOCKS:,} more parts, left out]"))
    return read


def block_of(given: object) -> ContentBlock:
    """One part of a result's content; in words where it is none that MCP knows."""
    if not isinstance(given, dict):
        return text(given if isinstance(given, str) else f"[an odd part: {str(given)[:MAX_NAME]}]")
    block = repaired_block({name: value for name, value in cast("dict[str, Any]", given).items() if value is not None})
    for tried in (block, {name: value for name, value in block.items() if name not in OPTIONAL}):
        try:
            return BLOCK.validate_python(tried, by_name=False)
        except ValidationError:
            continue
    kind = visible(str(block.get("type", "no type")))[:MAX_NAME]
    return text(f"[a part that is not as MCP says and was left out: {kind}]")


def repaired_block(block: dict[str, Any]) -> dict[str, Any]:
    """A part with what can be told of it for certain: the type in small letters, a text as one, names that lack."""
    kind = block.get("type")
    if isinstance(kind, str):
        block["type"] = kind.strip().lower()
    elif kind is None and isinstance(block.get("text"), str):
        block["type"] = "text"
    if block.get("type") == "text" and not isinstance(block.get("text"), str):
        block["text"] = said_of(block.get("text"))
    if block.get("type") in ("image", "audio"):
        block.setdefault("mimeType", "application/octet-stream")
    if block.get("type") == "resource_link" and isinstance(block.get("uri"), str):
        block.setdefault("name", block["uri"])
    if block.get("type") == "resource" and isinstance(block.get("resource"), dict):
        held = {name: value for name, value in block["resource"].items() if value is not None and name not in OPTIONAL}
        block["resource"] = {"uri": "unnamed:", **held}
    return block


def said_of(given: object) -> str:
    """What stands in the place of a text, as one."""
    return "" if given is None else json.dumps(given, ensure_ascii=False)


def text(said: str) -> TextContent:
    """A text as content."""
    return TextContent(type="text", text=said)


def truth(given: object) -> bool:
    """A flag, or the word for one; a word that says neither counts as set: an error is not to be missed."""
    return given.strip().lower() not in ("", "false", "no", "0") if isinstance(given, str) else bool(given)
