"""Files that may be sent: those below the owner's outbox folders."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from pathlib import Path

from bridge_mcp.core.attachments import AttachmentKind, attachment_kind
from bridge_mcp.core.capabilities import MAX_FILE
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.file_names import plain_name
from bridge_mcp.core.safe_text import visible

__all__ = ["attached", "guess_type", "outbox_file"]

MAX_PATH = 4_096
"""Characters of a path."""
MAX_NAME = 255
"""Bytes of one name in a path."""
MAX_SHOWN = 200
"""Characters of a path that an error shows."""


def outbox_file(path: str, folders: Sequence[Path]) -> Path:
    """The real path of a file that may be sent: below an outbox folder after all links are followed. Blocks.

    Raises:
        BadInput: it is not there, or elsewhere; the message does not say which.
    """
    if not folders:
        raise BadInput(
            f"'{visible(path[:MAX_SHOWN])}' cannot be sent: no folder is open for that.",
            fix="Name one in [files] outbox.",
        )
    label = visible(path[:MAX_SHOWN])
    if "\0" in path or len(path) > MAX_PATH or any(len(name.encode()) > MAX_NAME for name in path.split("/")):
        raise BadInput(
            f"'{label}' is not a name that a file can have: names are at most {MAX_NAME} bytes, without NUL.",
            fix="Pass a path below an outbox folder.",
        )
    try:
        return find_file(path, label, folders)
    except (OSError, RuntimeError) as exc:  # a name that is invalid here, `~nobody`, or an unreadable folder
        raise BadInput(f"'{label}' cannot be looked at: {exc}.", fix="Pass a path below an outbox folder.") from None


def find_file(path: str, label: str, folders: Sequence[Path]) -> Path:
    """See `outbox_file`."""
    target = Path(path).expanduser()
    candidates = [target] if target.is_absolute() else [folder / target for folder in folders]
    for candidate in candidates:
        real = candidate.resolve()
        if real.is_file() and any(real.is_relative_to(folder.resolve()) for folder in folders):
            if real.stat().st_nlink > 1:
                raise BadInput(
                    f"'{label}' has another name on this disk (a hard link), and may be a file from elsewhere.",
                    fix="Put a copy of it into the outbox folder.",
                )
            if real.stat().st_size > MAX_FILE:
                raise BadInput(
                    f"'{label}' has {real.stat().st_size:,} bytes; at most {MAX_FILE:,} can be sent.",
                    fix="Send a smaller file, or a link.",
                )
            return real
    raise BadInput(
        f"There is no file '{label}' in an outbox folder.",
        fix=f"Put it below one of: {', '.join(map(str, folders))}.",
    )


def attached(name: str, folders: Sequence[Path]) -> Attachment:
    """A file below an outbox folder as an `Attachment`. Blocks; raises as `outbox_file`."""
    path = outbox_file(name, folders)
    kind, mime = guess_type(path.name)
    return Attachment(f"file:{path}", kind, mime, name=plain_name(path.name), size=path.stat().st_size)


def guess_type(name: str) -> tuple[AttachmentKind, str]:
    """The kind and the media type of a file, by its name. An SVG is no image to chats."""
    mime = mimetypes.guess_type(name)[0] or ""
    return ("file" if mime == "image/svg+xml" else attachment_kind(mime)), mime
