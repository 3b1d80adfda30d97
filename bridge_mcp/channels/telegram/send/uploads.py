"""Files to send: in which form Telegram shows them, and how their bytes are uploaded.

Knows nothing of messages. Whether a file may be sent at all was decided before.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, TypeAlias, get_args

import anyio
from telegram import InputFile

from bridge_mcp.core.errors import SendFailed
from bridge_mcp.core.file_names import plain_name
from bridge_mcp.ports import Upload

__all__ = ["MAX_UPLOAD", "Form", "Opened", "form_of", "other_form"]

Form: TypeAlias = Literal["photo", "animation", "video", "audio", "voice", "document"]

MAX_UPLOAD = 50 * 1024 * 1024
MAX_PHOTO = 10 * 1024 * 1024
SHOWN: Mapping[str, Mapping[str, Form]] = {
    "image": {"jpeg": "photo", "jpg": "photo", "png": "photo", "webp": "photo", "bmp": "photo", "gif": "animation"},
    "video": {"mp4": "video"},
    "audio": {
        "mpeg": "audio",
        "mp3": "audio",
        "mp4": "audio",
        "m4a": "audio",
        "x-m4a": "audio",
        "ogg": "voice",
        "opus": "voice",
    },
}
"""The forms in which Telegram shows a file, by media type; the rest goes as a document."""
UNKNOWN: Mapping[str, Form] = {"image": "photo", "video": "video", "audio": "audio"}
FILE_ID = re.compile(r"[A-Za-z0-9_-]{20,512}")
BY_ID = re.compile(r"can't use file of type (\w+) as")
NOT_AS_THAT = (
    "photo_",
    "image_process",
    "too big for a photo",
    "voice_messages_forbidden",
    "wrong file type",
    "video_",
    "audio_",
)


def form_of(upload: Upload) -> Form:
    """The form for a file, by the kind its sender gave and by its media type."""
    if upload.kind == "file":
        return "document"
    mime = (upload.mime or mimetypes.guess_type(upload.name)[0] or "").partition(";")[0].strip().lower()
    family, _, member = mime.partition("/")
    if not member:
        return UNKNOWN[upload.kind]
    return SHOWN.get(upload.kind, {}).get(member, "document") if family == upload.kind else "document"


def other_form(form: Form, refusal: str) -> Form | None:
    """The form in which a refused file may still go out; None for none."""
    low = refusal.casefold()
    if match := BY_ID.search(low):
        wanted_form = {"voicenote": "voice"}.get(match.group(1), match.group(1))
        return next((each for each in get_args(Form) if each == wanted_form and each != form), None)
    return "document" if form != "document" and any(word in low for word in NOT_AS_THAT) else None


class Opened:
    """Opens files and closes them again: `async with Opened() as files: await files.take(upload, ...)`."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    async def __aenter__(self) -> Opened:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    async def take(self, upload: Upload, form: Form, *, attach: bool = False) -> tuple[InputFile | str, Form]:
        """The library's argument for a file, and its form; a picture that is too large for a photo is a document.

        Raises:
            SendFailed: it is gone, or too large for Telegram.
        """
        name = plain_name(upload.name or (upload.path.name if upload.path else "")) or "file"
        if upload.ref:
            # The library would send a local file that happens to have such a name.
            if not FILE_ID.fullmatch(upload.ref) or is_here(upload.ref):
                raise SendFailed(f"The file '{name}' is none that Telegram has.", fix="Attach the file itself.")
            return upload.ref, form
        if upload.path is not None:
            source, size = await self._open(upload.path, name)
        elif upload.data is not None:
            source, size = upload.data, len(upload.data)
        else:
            raise SendFailed(f"The file '{name}' has neither a path nor bytes.", fix="Attach it again.")
        if size == 0:
            raise SendFailed(f"The file '{name}' is empty.", fix="Telegram takes no empty files.")
        if size > MAX_UPLOAD:
            raise SendFailed(
                f"The file '{name}' has {size / 1024 / 1024:.1f} MB; Telegram takes at most 50 MB from a bot.",
                fix="Send a smaller one, or a link.",
            )
        file = InputFile(source, filename=name, attach=attach, read_file_handle=False)
        if upload.mime:
            file.mimetype = upload.mime
        return file, "document" if form == "photo" and size > MAX_PHOTO else form

    async def _open(self, path: Path, name: str) -> tuple[IO[bytes], int]:
        try:
            file, size = await anyio.to_thread.run_sync(opened, path)
        except OSError as exc:
            reason = exc.strerror or type(exc).__name__
            raise SendFailed(f"The file '{name}' cannot be read: {reason}.", fix="Attach it again.") from None
        self._stack.callback(file.close)
        return file, size


def is_here(name: str) -> bool:
    return Path(name).exists()


def opened(path: Path) -> tuple[IO[bytes], int]:
    file = path.open("rb")
    return file, file.seek(0, 2) - file.seek(0)
