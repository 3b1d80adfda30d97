"""Converts a nested server's result into a `ToolResult`: all of it is in the text, in full or named as left out.

The model reads the text; bytes (images, audio, embedded files) are kept as files and named by reference, so that a log
stays small and a model with vision gets the image itself. A text that is too long for a log is cut there, and kept
whole as a file if there is room. Imports the protocol's types, so it is loaded with the client library.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

import anyio.to_thread
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import BadJSON, BridgeError
from bridge_mcp.core.images import image_type, media_type
from bridge_mcp.core.json_reader import JSON, MAX_DEPTH, MESSAGE_DEPTH, check_depth, check_json
from bridge_mcp.core.tools import WHOLE_JSON, WHOLE_TEXT, ToolResult, canonical
from bridge_mcp.ports import Files
from bridge_mcp.toolservers.tolerant_results import CallResult

__all__ = ["MAX_FILES", "MAX_TEXT", "json_text", "result_of", "too_deep", "tool_result"]

MAX_TEXT = 200_000
"""Characters of a result's text in a log, and as many of its structured content."""
MAX_FILES = 16
"""Files that are kept of one result."""
MAX_BLOCKS = 10_000
"""Content blocks of a result that are read."""
UNKNOWN = "application/octet-stream"
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Image types that can be checked by their bytes: a file that is declared as one and is not has an unknown type."""
LONG = 256 * 1024
"""Characters of base64 that are decoded on a thread."""


async def tool_result(answer: CallResult, files: Files | None = None) -> ToolResult:
    """The result as text for the model, with structured content as JSON text, and its files."""
    structured = "" if answer.structured is None else json_text(answer.structured)
    return await result_of(answer.content, files, structured=structured, is_error=answer.is_error)


async def result_of(
    content: Sequence[ContentBlock], files: Files | None, *, structured: str = "", is_error: bool = False
) -> ToolResult:
    """A result of content blocks. Without `files`, bytes are named and left out."""
    keeping = ResultFiles(files)
    parts = [await keeping.as_text(block) for block in content[:MAX_BLOCKS]]
    if len(content) > MAX_BLOCKS:
        parts.append(f"[{len(content) - MAX_BLOCKS:,} more parts, left out]")
    if structured and not any(isinstance(block, TextContent) and block.text for block in content):
        parts.insert(0, structured)
    text = "\n".join(part for part in parts if part)
    note = ""
    deep = too_deep(structured)
    if deep or len(structured) > MAX_TEXT:
        problem = f"nested more than {MAX_DEPTH} levels deep" if deep else "too long to keep here"
        note = f"[structured result, {len(structured):,} characters: {problem}"
        note += f"{await keeping.store_text(structured, 'application/json', WHOLE_JSON)}]"
        text = "" if text == structured else text
    room = MAX_TEXT - len(f"\n{note}") if note else MAX_TEXT
    long_text = len(text) > room
    if long_text:
        text = capped(text, await keeping.store_text(text, "text/plain", WHOLE_TEXT), room)
    return ToolResult(
        text="\n".join(part for part in (text, note) if part),
        is_error=is_error,
        structured="" if note else structured,
        attachments=tuple(keeping.kept),
        truncated=long_text or bool(note),
    )


class ResultFiles:
    """Stores the files of one result."""

    def __init__(self, files: Files | None) -> None:
        self.kept: list[Attachment] = []
        self._files = files

    async def as_text(self, block: ContentBlock) -> str:
        """A block as text; its bytes are stored."""
        match block:
            case TextContent(text=text):
                return text
            case ImageContent() | AudioContent():
                return await self.store_base64(f"{block.type} {mime(block.mime_type)}", block.data, block.mime_type)
            case ResourceLink():
                about = f": {block.description}" if block.description else ""
                size = f", {block.size:,} bytes" if block.size is not None else ""
                return f"[resource link {block.title or block.name}, {block.uri}{kind(block.mime_type)}{size}{about}]"
            case EmbeddedResource(resource=content):
                return await self.resource(content)

    async def resource(self, content: TextResourceContents | BlobResourceContents) -> str:
        """An embedded resource as text."""
        about = f"resource {content.uri}{kind(content.mime_type)}"
        if isinstance(content, TextResourceContents):
            return f"[{about}]\n{content.text}"
        return await self.store_base64(about, content.blob, content.mime_type or "", name_in(str(content.uri)))

    async def store_base64(self, label: str, data: str, declared: str, name: str = "") -> str:
        """Store bytes that came as base64; returns the text that names them."""
        beginning = f"[{label}, {decoded_size(data):,} bytes"
        try:
            decoded = await anyio.to_thread.run_sync(decode, data) if len(data) > LONG else decode(data)
        except (binascii.Error, ValueError):
            return f"{beginning}: not valid base64, left out]"
        return f"{beginning}{await self.keep(decoded, true_type(decoded, declared), name)}]"

    async def store_text(self, text: str, mime_type: str, name: str) -> str:
        """Store a text that is too long for the log; returns the text that names it, or says why it was left out."""
        return await self.keep(text.encode("utf-8", "replace"), mime_type, name) or f", whole in the file {name}"

    async def keep(self, data: bytes, mime_type: str, name: str) -> str:
        """Store a file; returns why it was left out, "" if it was not."""
        if self._files is None:
            return ": left out"
        if len(self.kept) >= MAX_FILES:
            return ": one file too many, left out"
        try:
            attachment = await self._files.put(data, mime=mime_type, name=name)
        except BridgeError as exc:
            return f": left out. {exc}"
        self.kept.append(attachment)
        return ""


def decode(data: str) -> bytes:
    """Decode base64.

    Raises:
        ValueError: it is none.
    """
    return base64.b64decode(data, validate=True)


def mime(stated: str) -> str:
    """A media type that is safe in a data URL and in a sentence."""
    plain = media_type(stated)
    return plain if re.fullmatch(r"[\w.+-]+/[\w.+-]+", plain) else UNKNOWN


def true_type(data: bytes, stated: str) -> str:
    """The media type of these bytes: an image's by its bytes, else as given, unless that is an image's."""
    declared = mime(stated)
    return image_type(data) or (UNKNOWN if declared in IMAGES else declared)


def kind(stated: str | None) -> str:
    """The MIME type as part of an enumeration."""
    return f", {mime(stated)}" if stated else ""


def name_in(uri: str) -> str:
    """The last part of a URI, as a file's name."""
    return re.sub(r"[^\w.-]", "_", uri.rstrip("/").rpartition("/")[2])[-100:]


def decoded_size(data: str) -> int:
    """How many bytes a base64 text decodes to."""
    return len(data.rstrip("=")) * 3 // 4


def json_text(value: JSON) -> str:
    """Canonical JSON text. NaN and the infinities, which JSON does not have, become strings.

    Raises:
        BadJSON: it is nested deeper than a message may be.
    """
    try:
        return canonical(value)
    except (ValueError, RecursionError):
        return canonical(check_json(value, max_depth=MESSAGE_DEPTH, odd="mend"))


def too_deep(text: str) -> bool:
    """Whether JSON text is nested deeper than stored values may be."""
    try:
        check_depth(text, MAX_DEPTH)
    except BadJSON:
        return True
    return False


def capped(text: str, where_whole: str, most: int) -> str:
    """The beginning of a text, how much was cut, and where it is whole: at most `most` characters."""
    note = f"\n[cut here: the result has {len(text):,} characters, {{:,}} of them are left out{where_whole}]"
    length = most - len(note) - len(str(MAX_TEXT))
    return text[:length] + note.format(len(text) - length)
