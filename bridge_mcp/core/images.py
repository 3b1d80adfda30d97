"""Reads the media type and the size in pixels from the bytes of an image.

Senders often declare a wrong type or none, and providers refuse a request whose image does not have its declared type.
Only the formats that models accept are known here.
"""

from __future__ import annotations

import struct

__all__ = ["MAX_SIDE", "image_size", "image_type", "media_type"]

MAX_SIDE = 8_000
"""Pixels of an image's longer side; Anthropic refuses a request with a larger one."""

ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}

SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def media_type(declared: str) -> str:
    """A declared media type in its plain form: lower case, without parameters, under its registered name."""
    plain = declared.partition(";")[0].strip().lower()
    return ALIASES.get(plain, plain)


def image_type(data: bytes) -> str:
    """The media type of these bytes, if they begin as a PNG, JPEG, GIF or WebP does; "" for all others."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for signature, kind in SIGNATURES if data.startswith(signature)), "")


def image_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, as the header tells; None where it cannot be read."""
    try:
        match image_type(data):
            case "image/png":
                return struct.unpack_from(">II", data, 16)
            case "image/gif":
                return struct.unpack_from("<HH", data, 6)
            case "image/jpeg":
                return jpeg_size(data)
            case "image/webp":
                return webp_size(data)
            case _:
                return None
    except struct.error:
        return None


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height as the first frame header of a JPEG tells (ITU-T T.81, B.2.2)."""
    at = 2
    while data[at : at + 1] == b"\xff":
        marker = data[at + 1]
        (length,) = struct.unpack_from(">H", data, at + 2)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        at += 2 + max(2, length)
    return None


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of the three kinds of WebP (RFC 9649, section 2.5 to 2.7)."""
    match data[12:16]:
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
        case _:
            return None
