"""Kinds of files for a model, and the notes for those that it does not see."""

from __future__ import annotations

from typing import Literal, TypeAlias

from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.safe_text import visible

__all__ = ["AttachmentKind", "attachment_kind", "describe_file", "gone_note", "is_pdf", "is_text", "unseen"]

AttachmentKind: TypeAlias = Literal["image", "audio", "video", "file"]

TEXT_TYPES = (
    "text/",
    "application/json",
    "application/xml",
    "application/yaml",
    "application/x-yaml",
    "application/toml",
)
NO_TEXT = (
    "font/",
    "application/zip",
    "application/gzip",
    "application/x-gzip",
    "application/x-7z",
    "application/x-rar",
    "application/vnd.rar",
    "application/vnd.openxmlformats-",
    "application/vnd.oasis.opendocument",
    "application/vnd.android.package-archive",
    "application/epub",
    "application/java-archive",
    "application/x-tar",
    "application/x-tgsticker",
    "application/x-shockwave-flash",
)
"""Types that are never text, and not even fetched. The list is short, because types are guessed from names: a CSV is
said to be of Excel, a batch file a program, an Org file one of Lotus Organizer."""
MISTAKEN = frozenset(
    {
        "video/mp2t",
        "video/vnd.dlna.mpeg-tts",
        "image/svg+xml",
        "image/x-xpixmap",
        "image/x-xbitmap",
        "audio/x-mod",
        "audio/mod",
        "audio/x-mpegurl",
        "audio/mpegurl",
        "audio/x-scpls",
    }
)
"""Wrong types of texts by their names: TypeScript as video, `go.mod` as music, SVG as an image."""
SMALL = 1_000_000
"""Bytes of a file whose contents are examined whatever its type is."""

MAX_NAME = 200
"""Characters of a file's name that are shown."""


def is_pdf(attachment: Attachment) -> bool:
    """Whether this is a PDF, as far as its type or its name tells."""
    return attachment.mime == "application/pdf" or (
        attachment.kind == "file" and not attachment.mime and attachment.name.lower().endswith(".pdf")
    )


def is_text(attachment: Attachment) -> bool:
    """Whether it may be text, as far as its type and its size tell: types lie, and source files often have none.

    Whether it is, its bytes say.
    """
    if attachment.mime.startswith(TEXT_TYPES):
        return True
    if attachment.size is not None and attachment.size > SMALL:
        return False
    return attachment.mime in MISTAKEN or (
        attachment.kind == "file" and not is_pdf(attachment) and not attachment.mime.startswith(NO_TEXT)
    )


def describe_file(attachment: Attachment) -> str:
    """Name, type and size, as far as they are known. Others chose the name: it cannot grow a line of its own."""
    size = "" if attachment.size is None else f"{attachment.size} bytes"
    parts = (visible(attachment.name)[:MAX_NAME], visible(attachment.mime)[:MAX_NAME], size)
    return ", ".join(part for part in parts if part)


def unseen(attachment: Attachment, reason: str = "") -> str:
    """The note for a file that a model does not see."""
    because = f", {reason}" if reason else ""
    return f"[{attachment.kind}, not shown here{because}: {describe_file(attachment) or 'nothing more is known'}]"


def gone_note(attachment: Attachment) -> str:
    """The note for a file that a model saw earlier."""
    noun = "an image" if attachment.kind == "image" else "a PDF" if is_pdf(attachment) else "a file"
    return f"[{noun} was here: {visible(attachment.name or attachment.mime)[:MAX_NAME] or 'without a name'}]"


def attachment_kind(mime: str) -> AttachmentKind:
    """The kind of a file, by the first half of its media type."""
    match mime.partition("/")[0]:
        case "image" | "audio" | "video" as kind:
            return kind
        case _:
            return "file"
