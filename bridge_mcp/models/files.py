"""Files of messages and of results, made ready for a model: images and PDFs as data URLs, small texts as text.

For the rest there are notes.

Bytes come through the request's `fetch`, and only those are fetched that the model will be shown. Knows no provider.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import anyio
from cachetools import LRUCache, TTLCache

from bridge_mcp.core.attachments import described, is_pdf, is_text, unseen
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.file_texts import read_text
from bridge_mcp.core.images import image_type
from bridge_mcp.core.token_estimate import TEXT_SHOWN
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.ports import Fetch, ModelRequest

__all__ = ["Gallery", "Shown", "note"]

log = logging.getLogger(__name__)

MAX_IMAGES = 8
"""Images in one request: the newest ones."""
MAX_IMAGE = 4_500_000
"""Bytes of one image: what the strictest of the large providers takes."""
MAX_PDFS = 3
"""PDFs in one request: the newest ones."""
MAX_PDF = 4_500_000
"""Bytes of one PDF: what fits into a request beside the rest."""
MAX_TEXT_FILE = 1_000_000
"""Bytes of a text file that is fetched to show its beginning."""
MAX_TEXTS = 4
TIME_S = 20.0
"""The longest that the files of one request take together; what is not there by then is named."""
SLOW_S, AGAIN_S = 2.0, 600.0
"""A file whose fetching failed after more than the first is not tried again before the second: calls of one turn, and
turns of one chat, ask for the same files."""
KEPT = 16
"""Files that are remembered, because every call of a turn shows the same ones."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a model is shown of a file: an image or a PDF as a data URL, a text, or why none of these."""

    image: str = ""
    pdf: str = ""
    text: str = ""
    why_not: str = ""
    unshowable: bool = field(default=False, compare=False)
    """Whether it can never be shown: its bytes are not what a model sees."""


NONE_REFUSED: Mapping[str, Shown] = MappingProxyType({})
LATE = Shown(why_not="did not come in time")


class Gallery:
    """Fetches what is to be shown, once for all the calls of a turn."""

    def __init__(self) -> None:
        self._kept: LRUCache[str, Shown] = LRUCache(KEPT)
        self._stalled: TTLCache[str, None] = TTLCache(KEPT, AGAIN_S)
        """Files that took long and did not come, until they may be tried again."""

    async def show(
        self,
        request: ModelRequest,
        *,
        sees: bool,
        pdfs: bool = False,
        refused: Mapping[str, Shown] = NONE_REFUSED,
    ) -> dict[str, Shown]:
        """What the model is shown of each file, by its ref; a file that is not in there gets a plain note.

        `refused` are files that it is not to be shown, each with what stands in its place; they are not fetched.
        """
        shown: dict[str, Shown] = {}
        if request.fetch is None:
            return shown
        left = {"image": MAX_IMAGES if sees else 0, "pdf": MAX_PDFS if pdfs else 0, "text": MAX_TEXTS}
        deadline = anyio.current_time() + TIME_S
        for role, attachment in newest_first(request.messages):
            way = way_of(attachment)
            if attachment.ref in refused:
                shown[attachment.ref] = refused[attachment.ref]
            if attachment.ref in shown or not left.get(way) or (way == "text" and role == "tool"):
                continue
            known = self._kept.get(attachment.ref)
            left[way] -= 0 if known is not None and known.unshowable else 1
            shown[attachment.ref] = await self._look(request.fetch, attachment, deadline)
        return shown

    async def _look(self, fetch: Fetch, attachment: Attachment, deadline: float) -> Shown:
        """What is shown of one file; nothing of one that stalls, or stalled not long ago."""
        kept = self._kept.get(attachment.ref)
        if kept is None:
            began = anyio.current_time()
            if attachment.ref in self._stalled or began >= deadline:
                return LATE
            kept = LATE
            with anyio.move_on_at(deadline):
                kept = await look(fetch, attachment)
            if not kept.why_not or kept.unshowable:
                self._kept[attachment.ref] = kept
            elif anyio.current_time() - began > SLOW_S:
                self._stalled[attachment.ref] = None
        return kept


async def look(fetch: Fetch, attachment: Attachment) -> Shown:
    """Fetch one file and make it ready."""
    way = way_of(attachment)
    most = {"image": MAX_IMAGE, "pdf": MAX_PDF}.get(way, MAX_TEXT_FILE)
    if attachment.size is not None and attachment.size > most:
        return Shown(why_not="too large")
    try:
        data = await fetch(attachment)
    except BridgeError as exc:
        log.warning("a file for the model could not be fetched: %s", exc)
        return Shown(why_not="could not be fetched")
    if len(data) > most:
        return Shown(why_not="too large", unshowable=True)
    return image_of(data) if way == "image" else pdf_of(data) if way == "pdf" else text_of(data)


def way_of(attachment: Attachment) -> Literal["image", "pdf", "text", ""]:
    """How a file can be shown; "" for in no way."""
    if is_pdf(attachment):
        return "pdf"
    return "text" if is_text(attachment) else "image" if attachment.kind == "image" else ""


def image_of(data: bytes) -> Shown:
    kind = image_type(data)
    if not kind:
        return Shown(why_not="of a format that models do not see", unshowable=True)
    return Shown(image=f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}")


def pdf_of(data: bytes) -> Shown:
    if b"%PDF-" not in data[:1024]:
        return Shown(why_not="no PDF, whatever its name says", unshowable=True)
    return Shown(pdf=f"data:application/pdf;base64,{base64.b64encode(data).decode('ascii')}")


def text_of(data: bytes) -> Shown:
    found = read_text(data)
    if found.why_not:
        return Shown(why_not=found.why_not, unshowable=True)
    text = found.text
    if len(text) > TEXT_SHOWN:
        text = f"{text[:TEXT_SHOWN]}\n… ({len(text) - TEXT_SHOWN:,} more characters)"
    return Shown(text=text)


def newest_first(messages: Sequence[ChatMessage]) -> Iterator[tuple[str, Attachment]]:
    """The files that people sent and tools gave, the last ones first, each with the role of its message."""
    for message in reversed(messages):
        if message.role in ("user", "tool"):
            for attachment in reversed(message.attachments):
                yield message.role, attachment


def note(attachment: Attachment, shown: Shown | None = None) -> str:
    """What stands in a message's text for a file: its own text, or that the model cannot see it."""
    if shown is not None and shown.text:
        what = described(attachment) or "a text"
        return f"[{attachment.kind}: {what}]\n{shown.text}\n[end of the {attachment.kind}]"
    return unseen(attachment, shown.why_not if shown is not None else "")
