"""Files in the shapes that the MCP face gives them: text as text, images as images, all others as what they are."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

from bridge_mcp.core.answers import Ticket
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import BadInput, FetchFailed
from bridge_mcp.core.tools import JSON
from bridge_mcp.server import render
from bridge_mcp.server.shapes import FileShape
from bridge_mcp.server.tool import Answer, Illustrated, ToolCall
from bridge_mcp.service import Fetched

__all__ = ["fetched", "illustrated"]

MOST_TEXT = 100_000
"""Characters of a text that are shown; a model has to read them all."""
MOST_SHOWN = 8
"""Files that one answer shows."""
MOST_BYTES = 4_000_000
"""Of all files that one answer shows together: hosts cut off answers that are much larger."""

SEEN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What models that see take."""


def fetched(found: Fetched, message: str, index: int, *, base64: bool, offset: int = 0) -> Illustrated:
    """The answer for one file. With `base64` the bytes themselves, else of a text what is from `offset` on."""
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
        return Illustrated({**shape, "shown": "as an image beside this text"}, (block_of(file, data, ""),))
    text = readable(data)
    if text is None:
        return Illustrated({**shape, "shown": "not: it is no text and no image; form=base64 gives its bytes"})
    if offset and offset >= len(text):
        raise BadInput(f"The file has {len(text):,} characters; {offset:,} is behind its end.", fix="Use less.")
    end = min(len(text), offset + MOST_TEXT)
    shape["text"] = text[offset:end]
    if end < len(text):
        shape["truncated"] = f"characters {offset} to {end} of {len(text)}; go on with offset={end}"
    return Illustrated(shape)


async def illustrated(call: ToolCall, known: Ticket, *, shown: bool) -> Answer | Illustrated:
    """A ticket; if wanted, with the files of its result as content beside it, as far as there is room.

    A file that holds what was too long for the ticket is no such file: it is there to be read on in.
    """
    shape = render.ticket(known)
    if not shown or not known.attachments:
        return shape
    blocks: dict[int, Mapping[str, JSON]] = {}
    room = MOST_BYTES
    for index, file in enumerate(known.attachments):
        if len(blocks) == MOST_SHOWN or (known.truncated and file.kind == "file"):
            continue
        try:
            found = await call.bridge.fetch_attachment(call.who, known.id, index=index, max_bytes=max(1, room))
        except FetchFailed:
            continue  # it is not among `shown`, and fetching it by itself tells why
        room -= len(found.data)
        blocks[index] = block_of(file, found.data, f"{known.id}/{index}")
    shape["shown"] = list(blocks)
    return Illustrated(shape, tuple(blocks.values()))


def block_of(file: Attachment, data: bytes, uri: str) -> Mapping[str, JSON]:
    """A file as MCP content: an image or a sound where clients know it as one, else a resource."""
    encoded = b64encode(data).decode()
    if file.kind == "image" and file.mime in SEEN:
        return {"type": "image", "mimeType": file.mime, "data": encoded}
    if file.kind == "audio":
        return {"type": "audio", "mimeType": file.mime, "data": encoded}
    return {"type": "resource", "resource": {"uri": uri, "mimeType": file.mime, "blob": encoded}}


def readable(data: bytes) -> str | None:
    """The text that these bytes are, if they are one."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
