"""Files: their ids, their bytes, and the paths they can be downloaded from for an hour.

https://core.telegram.org/bots/api#sending-files and #getfile. Knows nothing of messages and chats.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path

from bridge_mcp.ports import Clock
from tests.servers.telegram.call import Upload
from tests.servers.telegram.refusals import Refusal, bad_request
from tests.servers.telegram.state import Content
from tests.servers.telegram.texts import Object

__all__ = ["MAX_DOWNLOAD", "MAX_UPLOAD", "FileStore", "file_wire", "image_size"]

MAX_DOWNLOAD = 20 * 1024 * 1024
MAX_PHOTO = 10 * 1024 * 1024
MAX_UPLOAD = 50 * 1024 * 1024
LINK_S = 3600.0
FOLDERS: Mapping[str, str] = {
    "photo": "photos",
    "document": "documents",
    "voice": "voice",
    "audio": "music",
    "video": "videos",
    "animation": "animations",
    "video_note": "video_notes",
    "sticker": "stickers",
}
ENDINGS: Mapping[str, str] = {"photo": ".jpg", "voice": ".oga", "sticker": ".webp", "video_note": ".mp4"}
TYPES: Mapping[str, str] = {
    "photo": "image/jpeg",
    "voice": "audio/ogg",
    "audio": "audio/mpeg",
    "video": "video/mp4",
    "animation": "video/mp4",
    "video_note": "video/mp4",
    "sticker": "image/webp",
}


@dataclass(slots=True)
class Link:
    content: Content
    until: float


@dataclass(slots=True)
class FileStore:
    """Every file the bot or a user ever sent."""

    clock: Clock
    by_id: dict[str, Content] = field(default_factory=dict[str, Content])
    links: dict[str, Link] = field(default_factory=dict[str, Link])
    numbers: count[int] = field(default_factory=count)
    folder: Path | None = None
    """Where a server with `--local` has them; then the paths it gives are those of its disk."""

    def add(self, kind: str, upload: Upload) -> Content:
        """Keep a file; ids are never used twice, the unique id (`unique_of`) follows from the bytes."""
        number = next(self.numbers)
        mark = sha256(f"{kind}:{number}".encode()).hexdigest()[:40]
        content = Content(
            kind,
            f"AgAC{mark}{number}",
            upload.name,
            mime=upload.mime or TYPES.get(kind, "application/octet-stream"),
            data=upload.data,
        )
        self.by_id[content.file_id] = content
        return content

    def uploaded(self, kind: str, upload: Upload) -> Content:
        """A file of a request, checked as Telegram checks it."""
        if not upload.data:
            raise bad_request("file must be non-empty")
        if len(upload.data) > MAX_UPLOAD:
            raise Refusal(413, "Request Entity Too Large")
        if kind == "photo":
            check_photo(upload.data)
        return self.add(kind, upload)

    def known(self, kind: str, file_id: str) -> Content:
        """A file that is already on the server, by its id. Its kind cannot be changed."""
        if "://" in file_id:
            raise bad_request("failed to get HTTP URL content")
        found = self.by_id.get(file_id)
        if found is None:
            raise bad_request("wrong file identifier/HTTP URL specified")
        if found.kind != kind and kind != "document":
            raise bad_request(f"can't use file of type {found.kind.title()} as {kind.title()}")
        return found

    def path_of(self, file_id: str) -> tuple[Content, str]:
        """A file and a path it can be downloaded from, for at least an hour."""
        content = self.by_id.get(file_id)
        if content is None:
            raise bad_request("invalid file_id" if file_id else "file_id not specified")
        if self.folder is None and len(content.data) > MAX_DOWNLOAD:
            raise bad_request("file is too big")
        number = list(self.by_id).index(file_id)
        dot = content.name.rfind(".")
        ending = ENDINGS.get(content.kind) or (content.name[dot:] if dot > 0 else "")
        path = f"{FOLDERS[content.kind]}/file_{number}{ending}"
        if self.folder is not None:
            return content, self._on_disk(content, self.folder / path)
        self.links[path] = Link(content, self.clock.now() + LINK_S)
        return content, path

    def _on_disk(self, content: Content, path: Path) -> str:
        """Documented for `--local`: the absolute path, of a file of any size."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.data)
        return str(path)

    def at_path(self, path: str) -> Content | None:
        """What can be downloaded from a path now."""
        link = self.links.get(path)
        return link.content if link and self.clock.now() <= link.until else None


def unique_of(content: Content) -> str:
    """The same for the same bytes, whoever sent them."""
    return "AQAD" + sha256(content.data).hexdigest()[:12]


def file_wire(content: Content, more: Object) -> Object | list[Object]:
    """A file as it stands in a message. `more`: what the sender said about it (duration, emoji, ...)."""
    base: Object = {
        "file_id": content.file_id,
        "file_unique_id": unique_of(content),
        "file_size": len(content.data),
    }
    kind = content.kind
    if kind == "photo":
        width, height = image_size(content.data) or (800, 600)
        # Telegram gives several sizes, the largest last. All of ours hold the same bytes.
        return [
            base | {"width": max(1, width // 4), "height": max(1, height // 4)},
            base | {"width": width, "height": height},
        ]
    named = {"file_name": content.name} if content.name else {}
    if kind == "document":
        return base | named | {"mime_type": content.mime}
    if kind == "sticker":
        sizes = {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False}
        return base | sizes | more
    timed = base | {"duration": 1} | more
    if kind == "voice":
        return timed | {"mime_type": content.mime}
    if kind == "video_note":
        return timed | {"length": 240}
    if kind == "audio":
        return timed | named | {"mime_type": content.mime}
    return {"width": 640, "height": 360} | timed | named | {"mime_type": content.mime}


def check_photo(data: bytes) -> None:
    """Refuse what is no picture, or too large a one. https://core.telegram.org/bots/api#sendphoto."""
    if len(data) > MAX_PHOTO:
        raise bad_request(
            f"file of size {len(data)} bytes is too big for a photo; the maximum size is {MAX_PHOTO} bytes"
        )
    if not data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM")) and data[8:12] != b"WEBP":
        raise bad_request("IMAGE_PROCESS_FAILED")
    size = image_size(data)
    if size and (sum(size) > 10_000 or max(size) > 20 * min(size)):
        raise bad_request("PHOTO_INVALID_DIMENSIONS")


def image_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG or a GIF; None for everything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        return struct.unpack(">II", data[16:24])
    if data.startswith(b"GIF8") and len(data) >= 10:
        return struct.unpack("<HH", data[6:10])
    return None
