"""A nested server's answer as a `ToolResult`: everything it said is in the text, in full or named as left out.

Imports the protocol's types, so it is loaded together with the client library. Knows no connection.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import cast

from mcp_types import (
    AudioContent,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.tools import JSON, ToolResult, canonical

__all__ = ["MAX_REFS", "MAX_TEXT", "json_text", "tool_result"]

MAX_TEXT = 200_000
"""Characters of a result's text, and of its structured part."""
MAX_REFS = 1_000_000
"""Characters that the images of one result may take in a conversation's log, as data URLs, all together."""


def tool_result(answer: CallToolResult) -> ToolResult:
    """The answer as text for the model, JSON text where the tool gave any, and the images that are small enough."""
    parts: list[str] = []
    images: list[Attachment] = []
    for block in answer.content:
        if isinstance(block, ImageContent):
            note, image = kept_image(block, MAX_REFS - sum(len(kept.ref) for kept in images))
            parts.append(note)
            images.extend([image] if image else [])
        else:
            parts.append(in_words(block))
    structured = "" if answer.structured_content is None else json_text(cast("JSON", answer.structured_content))
    if structured and not any(isinstance(block, TextContent) and block.text for block in answer.content):
        parts.insert(0, structured)
    elif len(structured) > MAX_TEXT:
        parts.append(f"[structured result, {len(structured):,} characters: too long to keep, left out]")
    return ToolResult(
        text=capped("\n".join(part for part in parts if part)),
        is_error=answer.is_error,
        structured=structured if len(structured) <= MAX_TEXT else "",
        attachments=tuple(images),
    )


def in_words(block: ContentBlock) -> str:
    """What a block says, or what it is."""
    match block:
        case TextContent(text=text):
            return text
        case ImageContent() | AudioContent():
            return f"[{block.type} {mime(block.mime_type)}, {decoded_size(block.data):,} bytes]"
        case ResourceLink():
            about = f": {block.description}" if block.description else ""
            size = f", {block.size:,} bytes" if block.size is not None else ""
            return f"[resource link {block.title or block.name}, {block.uri}{kind(block.mime_type)}{size}{about}]"
        case EmbeddedResource(resource=held):
            about = f"[resource {held.uri}{kind(held.mime_type)}"
            if isinstance(held, TextResourceContents):
                return f"{about}]\n{held.text}"
            return f"{about}, {decoded_size(held.blob):,} bytes]"


def kept_image(image: ImageContent, room: int) -> tuple[str, Attachment | None]:
    """The words for an image, and the image itself if it is one and fits into `room` characters."""
    said = in_words(image)
    ref = f"data:{mime(image.mime_type)};base64,{image.data}"
    if len(ref) > room:
        return f"{said[:-1]}: too large to keep, left out]", None
    try:
        size = len(base64.b64decode(image.data, validate=True))
    except (binascii.Error, ValueError):
        return f"{said[:-1]}: not valid base64, left out]", None
    return said, Attachment(ref, kind="image", mime=mime(image.mime_type), size=size)


def mime(given: str) -> str:
    """A MIME type that is safe in a data URL and in a sentence."""
    return given if re.fullmatch(r"[\w.+-]+/[\w.+-]+", given) else "application/octet-stream"


def kind(given: str | None) -> str:
    """The MIME type as part of an enumeration."""
    return f", {mime(given)}" if given else ""


def decoded_size(data: str) -> int:
    """How many bytes base64 text stands for."""
    return len(data.rstrip("=")) * 3 // 4


def json_text(value: JSON) -> str:
    """Canonical JSON text. NaN and the infinities, which JSON has no words for, become strings."""
    try:
        return canonical(value)
    except ValueError:
        return canonical(cast("JSON", json.loads(json.dumps(value), parse_constant=str)))


def capped(text: str) -> str:
    """The text, or its beginning and how much was cut."""
    if len(text) <= MAX_TEXT:
        return text
    note = f"\n[cut here: the result has {len(text):,} characters, {{:,}} of them are left out]"
    kept = MAX_TEXT - len(note) - len(str(MAX_TEXT))
    return text[:kept] + note.format(len(text) - kept)
