"""Small files to send when it does not matter what is in them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

__all__ = ["SAMPLES", "png"]


def png(width: int = 1, height: int = 1) -> bytes:
    """A black picture that every program can read."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress((b"\x00" + b"\x00" * width) * height)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


SAMPLES: Mapping[str, tuple[str, str, bytes]] = {
    # kind: name, type, bytes
    "photo": ("photo.png", "image/png", png()),
    "document": ("notes.txt", "text/plain", b"some notes\n"),
    "voice": ("", "audio/ogg", b"OggS-voice"),
    "audio": ("song.mp3", "audio/mpeg", b"ID3-song"),
    "video": ("clip.mp4", "video/mp4", b"\x00\x00\x00\x18ftypmp42"),
    "animation": ("wave.mp4", "video/mp4", b"\x00\x00\x00\x18ftypmp41"),
    "video_note": ("", "video/mp4", b"\x00\x00\x00\x18ftypmp40"),
    "sticker": ("", "image/webp", b"RIFF\x00\x00\x00\x00WEBP"),
}
