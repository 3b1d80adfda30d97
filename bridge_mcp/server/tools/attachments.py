"""Files as MCP content: text as text, images as images, all others as resources or base64."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import BadInput, FetchFailed
from bridge_mcp.core.file_texts import read_text
from bridge_mcp.core.images import MAX_SIDE, image_size, image_type
from bridge_mcp.core.results import Ticket
from bridge_mcp.core.tools import JSON
from bridge_mcp.server.tools import approval_answers
from bridge_mcp.server.tools.answers import FetchedFile
from bridge_mcp.server.tools.excerpts import beginning
from bridge_mcp.server.tools.tool import ContentAnswer, ToolCall
from bridge_mcp.service import Fetched

__all__ = ["file_result", "with_files"]

MAX_SHOWN = 8
"""Files that one result shows."""
MAX_BYTES = 650_000
"""Bytes of all files in one result, unless the caller asks for more: base64 adds a third, and Claude Desktop refuses a
result above 1 MB."""
PIECE = 24 * 1024
"""Bytes of a file that one result holds as base64, unless the caller asks for more: some 20,000 tokens."""


def file_result(
    fetched: Fetched, message: str, index: int, *, form: str, max_bytes: int | None = None, offset: int = 0
) -> ContentAnswer:
    """The result for one file.

    Args:
        fetched: the whole file.
        message: the id that it belongs to.
        index: the index of the file there.
        form: auto (text as text, images as images), base64 (the bytes), text or json (what `message` itself says).
        max_bytes: how much the caller takes at once; None: as much as hosts take.
        offset: where to begin: a character of a text, a byte of a file in base64.
    """
    file, data = fetched.attachment, fetched.data
    answer = FetchedFile(message=message, index=index, name=file.name, kind=file.kind, mime=file.mime, bytes=len(data))
    if form == "base64":
        return in_base64(answer, data, max_bytes or PIECE, offset)
    if form == "auto" and viewable(data):
        if len(data) <= (max_bytes or MAX_BYTES):
            answer.shown = "as an image beside this text"
            return ContentAnswer(answer, (block_of(file, data, ""),))
        answer.shown = f"not: hosts do not take images of this size; max_bytes={len(data)} gives it all the same"
        return ContentAnswer(answer)
    content = read_text(data)
    if content.why_not:
        answer.shown = f"not: it is {what_it_is(data, content.why_not)}; form=base64 gives its bytes"
        return ContentAnswer(answer)
    text = content.text
    past_the_end(offset, len(text), "characters")
    answer.text = beginning(text[offset:])
    end = offset + len(answer.text)
    if end < len(text):
        answer.truncated = f"characters {offset} to {end} of {len(text)}; go on with offset={end}"
    return ContentAnswer(answer)


def in_base64(answer: FetchedFile, data: bytes, most: int, offset: int) -> ContentAnswer:
    """The bytes, once: with structured content they would be in the result twice."""
    past_the_end(offset, len(data), "bytes")
    end = min(len(data), offset + most)
    answer.base64 = b64encode(data[offset:end]).decode()
    if end < len(data):
        answer.truncated = f"bytes {offset} to {end} of {len(data)}; go on with offset={end}"
    return ContentAnswer(answer, text_only=True)


def past_the_end(offset: int, size: int, units: str) -> None:
    """Raise BadInput if an offset is beyond the end."""
    if offset and offset >= size:
        raise BadInput(f"The file has {size:,} {units}; {offset:,} is behind its end.", fix="Use less.")


def viewable(data: bytes) -> bool:
    """Whether hosts can show these bytes to a model as an image."""
    return bool(image_type(data)) and max(image_size(data) or (0, 0)) <= MAX_SIDE


def what_it_is(data: bytes, no_text: str) -> str:
    """Why a file is not shown."""
    if image_type(data):
        return f"an image of more than {MAX_SIDE:,} pixels, which models refuse"
    return f"no image, and {no_text}"


async def with_files(call: ToolCall, ticket: Ticket, *, shown: bool) -> approval_answers.Ticket | ContentAnswer:
    """A ticket; with `shown`, the files of its result as content blocks, as far as there is room.

    A file that holds a text too long for the ticket is not shown: it is for reading on.
    """
    answer = approval_answers.Ticket.of(ticket)
    failed = ticket.kind == "call" and ticket.outcome == "error"
    if not shown or not ticket.attachments:
        return ContentAnswer(answer, is_error=True) if failed else answer
    blocks: dict[int, Mapping[str, JSON]] = {}
    room = MAX_BYTES
    for index, file in enumerate(ticket.attachments):
        if len(blocks) == MAX_SHOWN or (ticket.truncated and file.kind == "file"):
            continue
        try:
            fetched = await call.bridge.fetch_attachment(call.who, ticket.id, index=index, max_bytes=max(1, room))
        except FetchFailed:
            continue  # it is not in `shown`, and fetching it alone says why
        room -= len(fetched.data)
        blocks[index] = block_of(file, fetched.data, f"{ticket.id}/{index}")
    answer.shown = list(blocks)
    return ContentAnswer(answer, tuple(blocks.values()), is_error=failed)


def block_of(file: Attachment, data: bytes, uri: str) -> Mapping[str, JSON]:
    """A file as a content block: an image (with the type of its bytes) or audio, if clients know the type.

    Any other is an embedded resource: hosts refuse an image whose bytes do not match its type.
    """
    encoded = b64encode(data).decode()
    if viewable(data):
        return {"type": "image", "mimeType": image_type(data), "data": encoded}
    if file.kind == "audio":
        return {"type": "audio", "mimeType": file.mime, "data": encoded}
    return {"type": "resource", "resource": {"uri": uri, "mimeType": file.mime, "blob": encoded}}
