"""What is in a message beside its words: the files, by reference, and what can be said of all else in words."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias

from telegram import Message, PhotoSize

from bridge_mcp.core.entries import Attachment

__all__ = ["attachments", "in_words", "unknown_kinds"]

Kind: TypeAlias = Literal["image", "audio", "video", "file"]


class Stored(Protocol):
    """What all files of Telegram have."""

    @property
    def file_id(self) -> str: ...
    @property
    def file_size(self) -> int | None: ...


def attachments(message: Message) -> tuple[Attachment, ...]:
    """Its files. There is one at most; more come as an album, which is several messages."""
    found = photo(message) or document(message) or sticker(message) or recording(message)
    return (found,) if found else ()


def photo(message: Message) -> Attachment | None:
    """A photo in its largest size."""
    sizes = message.photo or (message.live_photo.photo if message.live_photo else ())
    if not sizes:
        return None
    return stored(largest(sizes), "image", "image/jpeg", f"photo_{message.message_id}.jpg")


def largest(sizes: Sequence[PhotoSize]) -> PhotoSize:
    return max(sizes, key=lambda size: (size.width * size.height, size.file_size or 0))


def document(message: Message) -> Attachment | None:
    """A file as it is. An animation comes with one too, for programs that do not know animations."""
    if (clip := message.animation) is not None:
        return stored(
            clip, "video", clip.mime_type or "video/mp4", clip.file_name or named(message, "animation", "mp4")
        )
    if (found := message.document) is None:
        return None
    mime = found.mime_type or ""
    return stored(found, kind_of(mime), mime, found.file_name or named(message, "file", ending_of(mime)))


def sticker(message: Message) -> Attachment | None:
    if (found := message.sticker) is None:
        return None
    if found.is_animated:
        return stored(found, "file", "application/x-tgsticker", named(message, "sticker", "tgs"))
    if found.is_video:
        return stored(found, "video", "video/webm", named(message, "sticker", "webm"))
    return stored(found, "image", "image/webp", named(message, "sticker", "webp"))


def recording(message: Message) -> Attachment | None:
    """What can be listened to or watched."""
    if (voice := message.voice) is not None:
        return stored(voice, "audio", voice.mime_type or "audio/ogg", named(message, "voice", "ogg"))
    if (audio := message.audio) is not None:
        return stored(audio, "audio", audio.mime_type or "", audio.file_name or named(message, "audio", "mp3"))
    if (video := message.video) is not None:
        return stored(video, "video", video.mime_type or "video/mp4", video.file_name or named(message, "video", "mp4"))
    if (note := message.video_note) is not None:
        return stored(note, "video", "video/mp4", named(message, "video_note", "mp4"))
    return None


def stored(file: Stored, kind: Kind, mime: str, name: str) -> Attachment:
    return Attachment(file.file_id, kind, mime, name, file.file_size)


def named(message: Message, what: str, ending: str) -> str:
    """A name for a file that has none."""
    return f"{what}_{message.message_id}.{ending}"


def ending_of(mime: str) -> str:
    return (mimetypes.guess_extension(mime) or ".bin").removeprefix(".")


def kind_of(mime: str) -> Kind:
    match mime.partition("/")[0]:
        case "image" | "audio" | "video" as kind:
            return kind
        case _:
            return "file"


# -- what is no file -------------------------------------------------------------------------------------------


def in_words(message: Message) -> str:
    """What else is in it, for people and models to read; "" for nothing."""
    for say in WORDS:
        if said := say(message):
            return said
    return ""


def sticker_words(message: Message) -> str:
    return (message.sticker.emoji or "") if message.sticker else ""


def place(message: Message) -> str:
    """A venue comes with its location."""
    if (venue := message.venue) is not None:
        where = venue.location
        return f"Place: {venue.title}, {venue.address} ({where.latitude:.6f}, {where.longitude:.6f})"
    if (spot := message.location) is not None:
        return f"Location: {spot.latitude:.6f}, {spot.longitude:.6f}"
    return ""


def contact(message: Message) -> str:
    if (who := message.contact) is None:
        return ""
    return f"Contact: {' '.join(filter(None, (who.first_name, who.last_name)))}, {who.phone_number}"


def dice(message: Message) -> str:
    return f"{message.dice.emoji} {message.dice.value}" if message.dice else ""


def poll(message: Message) -> str:
    if (asked := message.poll) is None:
        return ""
    return "\n".join([f"Poll: {asked.question}", *(f"- {option.text}" for option in asked.options)])


def checklist(message: Message) -> str:
    if (found := message.checklist) is None:
        return ""
    tasks = (f"[{'x' if task.completion_date else ' '}] {task.text}" for task in found.tasks)
    return "\n".join([f"Checklist: {found.title}", *tasks])


def other(message: Message) -> str:
    """Kinds that a bridge can do nothing with, but whose sender should not be left without an answer."""
    if message.game is not None:
        return f"Game: {message.game.title}"
    if message.invoice is not None:
        return f"Invoice: {message.invoice.title}"
    for there, what in (
        (message.story, "a story"),
        (message.paid_media, "paid media"),
        (message.giveaway, "a giveaway"),
    ):
        if there is not None:
            return f"({what})"
    return ""


WORDS: tuple[Callable[[Message], str], ...] = (sticker_words, place, contact, dice, poll, checklist, other)


def unknown_kinds(message: Message) -> str:
    """What this version does not know, where nothing else is in the message; "" for nothing."""
    names = ", ".join(sorted(message.api_kwargs))
    return f"(a kind of message that this bridge does not know: {names})" if names else ""
