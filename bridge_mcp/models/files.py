"""Converts the files of messages and results for a model: images and PDFs as data URLs, small texts as text.

Other files become notes. Bytes come through the request's `fetch`, and only files that the model will see are fetched.
Knows no provider.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import anyio
from cachetools import LRUCache, TTLCache
from msgspec import Struct

from bridge_mcp.core.attachments import describe_file, is_pdf, is_text, unseen
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.file_texts import read_text
from bridge_mcp.core.images import image_type
from bridge_mcp.core.token_estimate import TEXT_SHOWN
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.ports import Fetch, ModelRequest

__all__ = ["FileLoader", "FileView", "note"]

log = logging.getLogger(__name__)

MAX_IMAGES = 8
"""Images in one request: the newest ones."""
MAX_IMAGE = 4_500_000
"""Bytes of one image: the limit of the strictest large provider."""
MAX_PDFS = 3
"""PDFs in one request: the newest ones."""
MAX_PDF = 4_500_000
"""Bytes of one PDF: what fits into a request beside the rest."""
MAX_TEXT_FILE = 1_000_000
"""Bytes of a text file that is fetched to show its beginning."""
MAX_TEXTS = 4
TIME_S = 20.0
"""The time for fetching all files of one request; later ones become a note."""
SLOW_S, AGAIN_S = 2.0, 600.0
"""If fetching a file fails after more than `SLOW_S`, it is not retried for `AGAIN_S`: the calls of one turn, and the
turns of one chat, ask for the same files."""
KEPT = 16
"""Files that are remembered, because every call of a turn shows the same ones."""


class FileView(Struct, frozen=True):
    """A file as a model sees it: an image or PDF as a data URL, a text, or the reason why it sees none of these."""

    image: str = ""
    pdf: str = ""
    text: str = ""
    why_not: str = ""
    unshowable: bool = False
    """Whether it can never be shown: its bytes have no format that models read."""


NONE_REFUSED: Mapping[str, FileView] = MappingProxyType({})
LATE = FileView(why_not="did not come in time")


class FileLoader:
    """Fetches and converts files, once for all the calls of a turn (a cache of `KEPT` files)."""

    def __init__(self) -> None:
        self._kept: LRUCache[str, FileView] = LRUCache(KEPT)
        self._stalled: TTLCache[str, None] = TTLCache(KEPT, AGAIN_S)
        """Files whose fetching took long and failed, until they may be retried."""

    async def views(
        self,
        request: ModelRequest,
        *,
        sees: bool,
        pdfs: bool = False,
        refused: Mapping[str, FileView] = NONE_REFUSED,
    ) -> dict[str, FileView]:
        """Each file as the model sees it, by ref; a file that is missing here gets a plain note.

        `refused` are files that are not fetched, each with its replacement.
        """
        views_by_ref: dict[str, FileView] = {}
        if request.fetch is None:
            return views_by_ref
        left = {"image": MAX_IMAGES if sees else 0, "pdf": MAX_PDFS if pdfs else 0, "text": MAX_TEXTS}
        deadline = anyio.current_time() + TIME_S
        for role, attachment in newest_first(request.messages):
            way = way_of(attachment)
            if attachment.ref in refused:
                views_by_ref[attachment.ref] = refused[attachment.ref]
            if attachment.ref in views_by_ref or not left.get(way) or (way == "text" and role == "tool"):
                continue
            remembered = self._kept.get(attachment.ref)
            left[way] -= 0 if remembered is not None and remembered.unshowable else 1
            views_by_ref[attachment.ref] = await self._look(request.fetch, attachment, deadline)
        return views_by_ref

    async def _look(self, fetch: Fetch, attachment: Attachment, deadline: float) -> FileView:
        """One file, converted; a note if fetching stalls, or stalled in the last `AGAIN_S`."""
        view = self._kept.get(attachment.ref)
        if view is None:
            began = anyio.current_time()
            if attachment.ref in self._stalled or began >= deadline:
                return LATE
            view = LATE
            with anyio.move_on_at(deadline):
                view = await look(fetch, attachment)
            if not view.why_not or view.unshowable:
                self._kept[attachment.ref] = view
            elif anyio.current_time() - began > SLOW_S:
                self._stalled[attachment.ref] = None
        return view


async def look(fetch: Fetch, attachment: Attachment) -> FileView:
    """Fetch one file and convert it."""
    way = way_of(attachment)
    most = {"image": MAX_IMAGE, "pdf": MAX_PDF}.get(way, MAX_TEXT_FILE)
    if attachment.size is not None and attachment.size > most:
        return FileView(why_not="too large")
    try:
        data = await fetch(attachment)
    except BridgeError as exc:
        log.warning("a file for the model could not be fetched: %s", exc)
        return FileView(why_not="could not be fetched")
    if len(data) > most:
        return FileView(why_not="too large", unshowable=True)
    return image_of(data) if way == "image" else pdf_of(data) if way == "pdf" else text_of(data)


def way_of(attachment: Attachment) -> Literal["image", "pdf", "text", ""]:
    """How a model can see a file; "": not at all."""
    if is_pdf(attachment):
        return "pdf"
    return "text" if is_text(attachment) else "image" if attachment.kind == "image" else ""


def image_of(data: bytes) -> FileView:
    kind = image_type(data)
    if not kind:
        return FileView(why_not="of a format that models do not see", unshowable=True)
    return FileView(image=f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}")


def pdf_of(data: bytes) -> FileView:
    if b"%PDF-" not in data[:1024]:
        return FileView(why_not="no PDF, whatever its name says", unshowable=True)
    return FileView(pdf=f"data:application/pdf;base64,{base64.b64encode(data).decode('ascii')}")


def text_of(data: bytes) -> FileView:
    content = read_text(data)
    if content.why_not:
        return FileView(why_not=content.why_not, unshowable=True)
    text = content.text
    if len(text) > TEXT_SHOWN:
        text = f"{text[:TEXT_SHOWN]}\n… ({len(text) - TEXT_SHOWN:,} more characters)"
    return FileView(text=text)


def newest_first(messages: Sequence[ChatMessage]) -> Iterator[tuple[str, Attachment]]:
    """The files of users' messages and of results, newest first, each with the role of its message."""
    for message in reversed(messages):
        if message.role in ("user", "tool"):
            for attachment in reversed(message.attachments):
                yield message.role, attachment


def note(attachment: Attachment, view: FileView | None = None) -> str:
    """The text for a file in a message: its contents, or that the model cannot see it."""
    if view is not None and view.text:
        description = describe_file(attachment) or "a text"
        return f"[{attachment.kind}: {description}]\n{view.text}\n[end of the {attachment.kind}]"
    return unseen(attachment, view.why_not if view is not None else "")
