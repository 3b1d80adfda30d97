"""Files that came with messages, made ready for a model: images as data URLs, small texts as text, notes for the rest.

Bytes come through the request's `fetch`, and only those are fetched that the model will be shown. Knows no provider.
"""

from __future__ import annotations

import base64
import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.ports import Fetch, ModelRequest

__all__ = ["Gallery", "Shown", "note"]

log = logging.getLogger(__name__)

MAX_IMAGES = 8
"""Images in one request: the newest ones."""
MAX_IMAGE = 4_500_000
"""Bytes of one image: what the strictest of the large providers takes."""
MAX_TEXT = 48_000
"""Characters of a text that are shown; some 12,000 tokens."""
MAX_TEXT_FILE = 1_000_000
"""Bytes of a text file that is fetched to show its beginning."""
MAX_TEXTS = 4
KEPT = 16
"""Files that are remembered, because every call of a turn shows the same ones."""

MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
)
"""How images begin; platforms often give no type, or a wrong one, and providers refuse what is not what it says."""

TEXT_TYPES = (
    "text/",
    "application/json",
    "application/xml",
    "application/yaml",
    "application/x-yaml",
    "application/toml",
)
TEXT_NAMES = (".txt", ".md", ".csv", ".tsv", ".json", ".yaml", ".yml", ".toml", ".xml", ".log", ".ini", ".py", ".sql")


@dataclass(frozen=True, slots=True)
class Shown:
    """What a model is shown of a file: an image as a data URL, a text, or why neither."""

    image: str = ""
    text: str = ""
    why_not: str = ""


class Gallery:
    """Fetches what is to be shown, once for all the calls of a turn."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Shown] = OrderedDict()

    async def show(self, request: ModelRequest, *, sees: bool) -> dict[str, Shown]:
        """What the model is shown of each file, by its ref; a file that is not in there gets a plain note."""
        shown: dict[str, Shown] = {}
        if request.fetch is None:
            return shown
        images, texts = MAX_IMAGES if sees else 0, MAX_TEXTS
        for attachment in newest_first(request.messages):
            if attachment.ref in shown:
                continue
            if attachment.kind == "image" and images:
                images -= 1
            elif is_text(attachment) and texts:
                texts -= 1
            else:
                continue
            shown[attachment.ref] = await self._look(request.fetch, attachment)
        return shown

    async def _look(self, fetch: Fetch, attachment: Attachment) -> Shown:
        kept = self._kept.get(attachment.ref)
        if kept is None:
            kept = await look(fetch, attachment)
            if not kept.why_not:
                self._kept[attachment.ref] = kept
        if attachment.ref in self._kept:
            self._kept.move_to_end(attachment.ref)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return kept


async def look(fetch: Fetch, attachment: Attachment) -> Shown:
    """Fetch one file and make it ready."""
    most = MAX_IMAGE if attachment.kind == "image" else MAX_TEXT_FILE
    if attachment.size is not None and attachment.size > most:
        return Shown(why_not="too large")
    try:
        data = await fetch(attachment)
    except BridgeError as exc:
        log.warning("a file for the model could not be fetched: %s", exc)
        return Shown(why_not="could not be fetched")
    if len(data) > most:
        return Shown(why_not="too large")
    return image_of(data) if attachment.kind == "image" else text_of(data)


def image_of(data: bytes) -> Shown:
    kind = next((kind for magic, kind in MAGIC if data.startswith(magic)), "")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind = "image/webp"
    if not kind:
        return Shown(why_not="of a format that models do not see")
    return Shown(image=f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}")


def text_of(data: bytes) -> Shown:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Shown(why_not="no text in UTF-8")
    if "\0" in text:
        return Shown(why_not="no text")
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}\n… ({len(text) - MAX_TEXT:,} more characters)"
    return Shown(text=text)


def newest_first(messages: Sequence[ChatMessage]) -> Iterator[Attachment]:
    """The files that people sent, the last ones first."""
    for message in reversed(messages):
        if message.role == "user":
            yield from reversed(message.attachments)


def is_text(attachment: Attachment) -> bool:
    return attachment.mime.startswith(TEXT_TYPES) or (
        attachment.kind == "file" and attachment.name.lower().endswith(TEXT_NAMES)
    )


def note(attachment: Attachment, shown: Shown | None = None) -> str:
    """What stands in a message's text for a file: its own text, or that the model cannot see it."""
    told = [attachment.name, attachment.mime, "" if attachment.size is None else f"{attachment.size} bytes"]
    what = ", ".join(each for each in told if each)
    if shown is not None and shown.text:
        return f"[{attachment.kind}: {what or 'a text'}]\n{shown.text}\n[end of the {attachment.kind}]"
    why = f", {shown.why_not}" if shown is not None and shown.why_not else ""
    return f"[{attachment.kind}, not shown here{why}: {what or 'nothing more is known'}]"
