"""The files of a message, by reference."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from typing import Protocol, TypeAlias

from msgspec import structs
from telegram import ExternalReplyInfo, Message, PhotoSize

from bridge_mcp.core.attachments import AttachmentKind, attachment_kind
from bridge_mcp.core.entries import Attachment

__all__ = ["attachments", "quoted_attachments"]

Bearer: TypeAlias = Message | ExternalReplyInfo
"""What holds files: a message, or the description of a message of another chat."""


class FileFields(Protocol):
    """The fields that all files of the Bot API share."""

    @property
    def file_id(self) -> str:
        """The key for `getFile`."""
        ...

    @property
    def file_size(self) -> int | None:
        """Bytes; None where Telegram does not say."""
        ...


def attachments(message: Bearer) -> tuple[Attachment, ...]:
    """The files of a message: one at most, since an album is several messages."""
    file = photo(message) or document(message) or sticker(message) or recording(message)
    return (file,) if file else ()


def quoted_attachments(message: Message) -> tuple[Attachment, ...]:
    """The files of the message that it replies to, also where that is in another chat."""
    replied = message.reply_to_message or message.external_reply
    return tuple(structs.replace(each, quoted=True) for each in attachments(replied)) if replied is not None else ()


def photo(message: Bearer) -> Attachment | None:
    """A photo in its largest size."""
    sizes = message.photo or (message.live_photo.photo if message.live_photo else ())
    if not sizes:
        return None
    return stored(largest(sizes), "image", "image/jpeg", named(message, "photo", "jpg"))


def largest(sizes: Sequence[PhotoSize]) -> PhotoSize:
    return max(sizes, key=lambda size: (size.width * size.height, size.file_size or 0))


def document(message: Bearer) -> Attachment | None:
    """A document. Telegram adds one to an animation too, for older apps."""
    if (clip := message.animation) is not None:
        return stored(
            clip, "video", clip.mime_type or "video/mp4", clip.file_name or named(message, "animation", "mp4")
        )
    if (file := message.document) is None:
        return None
    mime = file.mime_type or ""
    return stored(file, attachment_kind(mime), mime, file.file_name or named(message, "file", ending_of(mime)))


def sticker(message: Bearer) -> Attachment | None:
    if (file := message.sticker) is None:
        return None
    if file.is_animated:
        return stored(file, "file", "application/x-tgsticker", named(message, "sticker", "tgs"))
    if file.is_video:
        return stored(file, "video", "video/webm", named(message, "sticker", "webm"))
    return stored(file, "image", "image/webp", named(message, "sticker", "webp"))


def recording(message: Bearer) -> Attachment | None:
    """A voice message, audio, video or video note."""
    if (voice := message.voice) is not None:
        return stored(voice, "audio", voice.mime_type or "audio/ogg", named(message, "voice", "ogg"))
    if (audio := message.audio) is not None:
        return stored(audio, "audio", audio.mime_type or "", audio.file_name or named(message, "audio", "mp3"))
    if (video := message.video) is not None:
        return stored(video, "video", video.mime_type or "video/mp4", video.file_name or named(message, "video", "mp4"))
    if (note := message.video_note) is not None:
        return stored(note, "video", "video/mp4", named(message, "video_note", "mp4"))
    return None


def stored(file: FileFields, kind: AttachmentKind, mime: str, name: str) -> Attachment:
    return Attachment(file.file_id, kind, mime, name=name, size=file.file_size)


def named(message: Bearer, stem: str, ending: str) -> str:
    """A name for a file that has none."""
    return f"{stem}_{message.message_id}.{ending}" if message.message_id is not None else f"{stem}.{ending}"


def ending_of(mime: str) -> str:
    return (mimetypes.guess_extension(mime) or ".bin").removeprefix(".")
