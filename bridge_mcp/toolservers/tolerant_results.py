"""Reads results of calls that violate the protocol, as far as possible: the call has run, and its result is here.

Refusing the whole result for one odd block would hide what the tool did. So valid results are read, and so are known
violations (a string instead of a list of content, a number instead of a text, flags as words); every unknown block is
named in its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from mcp_types import CallToolResult, ContentBlock, TextContent, methods
from msgspec import Struct
from pydantic import TypeAdapter, ValidationError

from bridge_mcp.core.safe_text import visible
from bridge_mcp.core.tools import JSON

__all__ = ["ERAS", "RAW_RESULT", "CallResult", "call_result", "object_result", "received", "sound"]

ERAS: Mapping[str, Mapping[str, Any]] = {
    "2025-11-25": {},
    "2026-07-28": {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"},
}
"""A version of each era to validate results by, and the fields that a page of a list needs beside its items."""

RAW_RESULT: Final = "bridge-mcp/result"
"""The key in `_meta` that holds an invalid result, inside the valid one that the session gets instead."""

BLOCK: TypeAdapter[ContentBlock] = TypeAdapter(ContentBlock)

MAX_BLOCKS = 10_000
"""Content blocks of a result that are read."""
MAX_NAME = 60
"""Characters of an unknown block's type that are shown."""
KNOWN = frozenset({"content", "structuredContent", "isError", "_meta", "toolResult", "resultType"})
OPTIONAL = ("annotations", "_meta", "icons", "size", "title", "description")
"""Optional fields of a block that the bridge does not need: an invalid one is dropped."""


class CallResult(Struct, frozen=True):
    """The result of a call. `structured` is None if it has no structured content."""

    content: list[ContentBlock]
    structured: JSON = None
    is_error: bool = False
    wants_input: bool = False
    """The server asks for input first (2026-07-28): nothing has run yet."""


def call_result(raw: Mapping[str, Any]) -> CallResult:
    """The result of a `tools/call`, by MCP's schema, or block by block if it violates that."""
    if raw.get("resultType") == "input_required":
        return CallResult([], wants_input=True)
    try:
        valid = CallToolResult.model_validate(raw, by_name=False)
    except ValidationError:
        return CallResult(content_of(raw), raw.get("structuredContent"), truth(raw.get("isError")))
    return CallResult(valid.content, valid.structured_content, valid.is_error)


def received(result: dict[str, Any]) -> dict[str, Any]:
    """A result from a session as the server sent it: see `tolerant_session.straighten`."""
    meta = result.get("_meta")
    original: object = cast("dict[str, Any]", meta).get(RAW_RESULT) if isinstance(meta, dict) else None
    return cast("dict[str, Any]", original) if isinstance(original, dict) else result


def object_result(value: object) -> dict[str, Any]:
    """A response's `result` as an object, as MCP requires; any other value is wrapped into one."""
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    return {} if value is None else {"content": value}


def sound(raw: Mapping[str, Any]) -> bool:
    """Whether sessions of every protocol version accept this result of a call."""
    try:
        for version in ERAS:
            methods.validate_server_result("tools/call", version, {"resultType": "complete", **raw})
    except ValidationError:
        return False
    structured = raw.get("structuredContent", {})
    return isinstance(structured, dict) and isinstance(raw.get("isError", False), bool)


def content_of(raw: Mapping[str, Any]) -> list[ContentBlock]:
    """The content of an invalid result; `toolResult` is its name in the protocol's first drafts.

    A result without either becomes a block of its JSON text.
    """
    content: object = raw.get("content")
    if content is None:
        content = raw.get("toolResult")
    if content is None and raw.keys() - KNOWN and raw.get("structuredContent") is None:
        content = json.dumps({name: raw[name] for name in sorted(raw.keys() - KNOWN)}, ensure_ascii=False)
    if not isinstance(content, list):
        content = [] if content is None else [content]
    blocks = cast("list[object]", content)
    content_blocks = [block_of(each) for each in blocks[:MAX_BLOCKS]]
    if len(blocks) > MAX_BLOCKS:
        content_blocks.append(text(f"[{len(blocks) - MAX_BLOCKS:,} more parts, left out]"))
    return content_blocks


def block_of(raw: object) -> ContentBlock:
    """One content block; as text if MCP does not know it."""
    if not isinstance(raw, dict):
        return text(raw if isinstance(raw, str) else f"[an odd part: {str(raw)[:MAX_NAME]}]")
    block = repaired_block({name: value for name, value in cast("dict[str, Any]", raw).items() if value is not None})
    for candidate in (block, {name: value for name, value in block.items() if name not in OPTIONAL}):
        try:
            return BLOCK.validate_python(candidate, by_name=False)
        except ValidationError:
            continue
    kind = visible(str(block.get("type", "no type")))[:MAX_NAME]
    return text(f"[a part that is not as MCP says and was left out: {kind}]")


def repaired_block(block: dict[str, Any]) -> dict[str, Any]:
    """A block, repaired where that is safe: its type in lower case, a text as a string, missing names."""
    kind = block.get("type")
    if isinstance(kind, str):
        block["type"] = kind.strip().lower()
    elif kind is None and isinstance(block.get("text"), str):
        block["type"] = "text"
    if block.get("type") == "text" and not isinstance(block.get("text"), str):
        value = block.get("text")
        block["text"] = "" if value is None else json.dumps(value, ensure_ascii=False)
    if block.get("type") in ("image", "audio"):
        block.setdefault("mimeType", "application/octet-stream")
    if block.get("type") == "resource_link" and isinstance(block.get("uri"), str):
        block.setdefault("name", block["uri"])
    if block.get("type") == "resource" and isinstance(block.get("resource"), dict):
        resource = {
            name: value for name, value in block["resource"].items() if value is not None and name not in OPTIONAL
        }
        block["resource"] = {"uri": "unnamed:", **resource}
    return block


def text(words: str) -> TextContent:
    """A text as content."""
    return TextContent(type="text", text=words)


def truth(flag: object) -> bool:
    """A flag, or a word for one; any other word counts as true: an error must not be missed."""
    return flag.strip().lower() not in ("", "false", "no", "0") if isinstance(flag, str) else bool(flag)
