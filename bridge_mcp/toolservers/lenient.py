"""Results of calls that bend the protocol's form, read as far as they can be: the call has run, and its answer is here.

Refusing the whole answer for one odd part would hide what the tool did. So what MCP says is read, what servers are
known to send instead is read too (a text in the place of a list of content, a number in the place of a text, flags as
words), and every part that stays unknown is named in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from mcp_types import CallToolResult, ContentBlock, TextContent
from pydantic import TypeAdapter, ValidationError

from bridge_mcp.core.tools import JSON
from bridge_mcp.core.visible import visible

__all__ = ["RAW_RESULT", "CallResult", "call_result", "session_result", "sound"]

RAW_RESULT: Final = "bridge-mcp/result"
"""Where in `_meta` a bent result stands whole, in a straight one that the session takes in its place."""

BLOCK: TypeAdapter[ContentBlock] = TypeAdapter(ContentBlock)

MAX_BLOCKS = 10_000
"""Parts of a result that are read one by one."""
MAX_NAME = 60
"""Characters of an unknown part's type that are told."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a call's answer says. `structured` is None where it has no structured part."""

    content: list[ContentBlock]
    structured: JSON = None
    is_error: bool = False


def call_result(raw: Mapping[str, Any]) -> CallResult:
    """The result of a `tools/call`, by the schema of MCP and, where it does not keep to that, part by part."""
    try:
        straight = CallToolResult.model_validate(raw, by_name=False)
    except ValidationError:
        return CallResult(content_of(raw), raw.get("structuredContent"), truth(raw.get("isError")))
    return CallResult(straight.content, straight.structured_content, straight.is_error)


def session_result(answer: CallToolResult) -> CallResult:
    """The result that a session gave: it, or the bent one that it holds (see `sieve.straighten`)."""
    bent: object = (answer.meta or {}).get(RAW_RESULT)
    if isinstance(bent, dict):
        return call_result(cast("dict[str, Any]", bent))
    return CallResult(answer.content, answer.structured_content, answer.is_error)


def sound(raw: Mapping[str, Any]) -> bool:
    """Whether sessions of every protocol version take this result of a call as it is."""
    try:
        CallToolResult.model_validate(raw, by_name=False)
    except ValidationError:
        return False
    structured = raw.get("structuredContent", {})
    return isinstance(structured, dict) and isinstance(raw.get("isError", False), bool)


def content_of(raw: Mapping[str, Any]) -> list[ContentBlock]:
    """The content of a bent result; `toolResult` is what the protocol's first drafts had in its place."""
    content: object = raw.get("content")
    if content is None:
        content = raw.get("toolResult", [])
    if not isinstance(content, list):
        content = [content]
    blocks = cast("list[object]", content)
    read = [block_of(each) for each in blocks[:MAX_BLOCKS]]
    if len(blocks) > MAX_BLOCKS:
        read.append(text(f"[{len(blocks) - MAX_BLOCKS:,} more parts, left out]"))
    return read


def block_of(given: object) -> ContentBlock:
    """One part of a result's content; in words where it is none that MCP knows."""
    if not isinstance(given, dict):
        return text(given if isinstance(given, str) else f"[an odd part: {str(given)[:MAX_NAME]}]")
    block = {name: value for name, value in cast("dict[str, Any]", given).items() if value is not None}
    if isinstance(block.get("text"), bool | int | float):
        block["text"] = str(block["text"])
    if block.get("type") in ("image", "audio"):
        block.setdefault("mimeType", "application/octet-stream")
    try:
        return BLOCK.validate_python(block, by_name=False)
    except ValidationError:
        kind = visible(str(block.get("type", "no type")))[:MAX_NAME]
        return text(f"[a part that is not as MCP says and was left out: {kind}]")


def text(said: str) -> TextContent:
    """A text as content."""
    return TextContent(type="text", text=said)


def truth(given: object) -> bool:
    """A flag, or the word for one; a word that says neither counts as set: an error is not to be missed."""
    return given.strip().lower() not in ("", "false", "no", "0") if isinstance(given, str) else bool(given)
