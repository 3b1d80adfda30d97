"""Files in the shapes that the MCP face gives them: text as text, images as images, all others as what they are."""

from __future__ import annotations

from base64 import b64encode

from bridge_mcp.server.shapes import FileShape
from bridge_mcp.server.tool import Illustrated
from bridge_mcp.service import Fetched

__all__ = ["fetched"]

MOST_TEXT = 100_000
"""Characters of a text that are shown; a model has to read them all."""

SEEN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What models that see take."""


def fetched(found: Fetched, message: str, index: int, *, base64: bool) -> Illustrated:
    """The answer for one file. With `base64` the bytes themselves, whatever they are."""
    file, data = found.attachment, found.data
    shape: FileShape = {
        "message": message,
        "index": index,
        "name": file.name,
        "kind": file.kind,
        "mime": file.mime,
        "bytes": len(data),
    }
    if base64:
        shape["base64"] = b64encode(data).decode()
        return Illustrated(shape)
    if file.kind == "image" and file.mime in SEEN:
        block = {"type": "image", "mimeType": file.mime, "data": b64encode(data).decode()}
        return Illustrated({**shape, "shown": "as an image beside this text"}, (block,))
    text = readable(data)
    if text is None:
        return Illustrated({**shape, "shown": "not: it is no text and no image; form=base64 gives its bytes"})
    shape["text"] = text[:MOST_TEXT]
    if len(text) > MOST_TEXT:
        shape["truncated"] = f"{len(text):,} characters in all; form=base64 gives them"
    return Illustrated(shape)


def readable(data: bytes) -> str | None:
    """The text that these bytes are, if they are one."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
