"""Decides by its bytes whether a file is a text, whatever its declared type. Pure."""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE

from msgspec import Struct

__all__ = ["FileText", "read_text"]

BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""Bytes that are in no text; escape is allowed, for coloured logs."""
SAMPLE = 4_096
MARKS = (
    (BOM_UTF32_LE, "utf-32"),
    (BOM_UTF32_BE, "utf-32"),
    (BOM_UTF16_LE, "utf-16"),
    (BOM_UTF16_BE, "utf-16"),
)
EIGHT_BITS = "text that is neither UTF-8 nor UTF-16, but of an older encoding such as Windows-1251 or Latin-1"


class FileText(Struct, frozen=True):
    """The text of a file, or why it has none."""

    text: str = ""
    why_not: str = ""


def read_text(data: bytes) -> FileText:
    """The bytes as UTF-8, or as UTF-16 or UTF-32 by their mark; UTF-16 also without one, where zeros tell."""
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), "") or without_mark(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return FileText(why_not="no text in UTF-8" if BINARY.search(data) else EIGHT_BITS)
    if BINARY.search(text[:SAMPLE].encode("utf-8", "replace")):
        return FileText(why_not="no text")
    return FileText(text)


def without_mark(data: bytes) -> str:
    """UTF-16, where zeros stand only in the one or only in the other half of its pairs; else UTF-8."""
    low, high = data[0:SAMPLE:2].count(0), data[1:SAMPLE:2].count(0)
    if len(data) % 2 or not low + high or (low and high):
        return "utf-8-sig"
    return "utf-16-be" if low else "utf-16-le"
