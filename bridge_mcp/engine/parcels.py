"""Files on their way out: what a message's `Attachment.ref` means, looked up when the message is sent.

file:/abs/path        a file below one of the owner's outbox folders, checked again at that moment
of:CHANNEL:REF        a file that came in on a channel; on the same one the platform has it already
arguments:APPROVAL    the whole arguments of a call that waits for a verdict, with nothing hidden in them
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import anyio.to_thread

from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import BadInput, FetchFailed, NotFound, SendFailed
from bridge_mcp.core.file_names import plain_name
from bridge_mcp.core.visible import escaped, pretty, visible
from bridge_mcp.ports import Approvals, Channel, Files, Upload

__all__ = ["MAX_FILE", "Parcels", "attached", "kind_of", "outbox_file"]

MAX_FILE = 50 * 1024 * 1024
"""Bytes of one file, in or out: what Telegram's own server takes at most."""

MOST_PATH = 4_096
"""Characters of a path."""
MOST_NAME = 255
"""Bytes of one name in a path."""
MOST_SHOWN = 200
"""Characters of a path that an error shows."""


class Parcels:
    """Turns the files of stored messages into uploads."""

    def __init__(
        self, folders: Sequence[Path], channels: Mapping[str, Channel], approvals: Approvals, files: Files | None
    ) -> None:
        self._folders = tuple(folders)
        self._channels = channels
        self._approvals = approvals
        self._files = files

    async def uploads(self, channel: str, files: Sequence[Attachment]) -> tuple[Upload, ...]:
        """What to send on `channel`.

        Raises:
            SendFailed: a file cannot be sent, and trying again cannot help; says which, and why.
        """
        return tuple([await self._upload(channel, file) for file in files])

    async def _upload(self, channel: str, file: Attachment) -> Upload:
        scheme, _, rest = file.ref.partition(":")
        match scheme:
            case "file":
                try:
                    path = await anyio.to_thread.run_sync(outbox_file, rest, self._folders)
                except BadInput as exc:
                    raise SendFailed(str(exc)) from None
                return Upload(file.kind, plain_name(file.name or path.name), file.mime, path=path)
            case "of":
                source, _, ref = rest.partition(":")
                if source == channel:
                    return Upload(file.kind, file.name, file.mime, ref=ref)
                return Upload(file.kind, file.name, file.mime, data=await self._fetched(source, file, ref))
            case "kept" if self._files is not None:
                try:
                    return Upload(file.kind, file.name, file.mime, data=await self._files.read(file.ref))
                except NotFound as exc:
                    raise SendFailed(str(exc)) from None
            case "arguments":
                approval = await self._approvals.get(rest)
                if approval is None:
                    raise SendFailed(f"The arguments of {rest[:80]} cannot be sent: there is no such approval.")
                # JSON escapes stand for what hides: the file reads as it looks, and holds the same values.
                data = escaped(pretty(approval.arguments)).encode("utf-8", "backslashreplace")
                return Upload(file.kind, file.name, file.mime, data=data)
            case _:
                raise SendFailed(f"The file '{file.name or file.ref[:80]}' cannot be sent: nobody knows where it is.")

    async def _fetched(self, source: str, file: Attachment, ref: str) -> bytes:
        """The bytes of a file that another channel holds."""
        found = self._channels.get(source)
        if found is None:
            raise SendFailed(f"The file '{file.name}' came in on '{source}', which is not in the config any more.")
        try:
            return await found.fetch(Attachment(ref, file.kind, file.mime, file.name, file.size), MAX_FILE)
        except FetchFailed as exc:
            raise SendFailed(f"The file '{file.name}' could not be fetched from {source}: {exc}") from exc


def outbox_file(path: str, folders: Sequence[Path]) -> Path:
    """The real path of a file that may be sent: one below an outbox folder, after all links are followed. Blocks.

    Raises:
        BadInput: it is not there, or lies elsewhere; where, is not told.
    """
    if not folders:
        raise BadInput(
            f"'{visible(path[:MOST_SHOWN])}' cannot be sent: no folder is open for that.",
            fix="Name one in [files] outbox.",
        )
    shown = visible(path[:MOST_SHOWN])
    if "\0" in path or len(path) > MOST_PATH or any(len(name.encode()) > MOST_NAME for name in path.split("/")):
        raise BadInput(
            f"'{shown}' is no name that a file can have: names are at most {MOST_NAME} bytes, without NUL.",
            fix="Pass a path below an outbox folder.",
        )
    try:
        return found_in(path, shown, folders)
    except (OSError, RuntimeError) as exc:  # a name that this system does not take, `~nobody`, or a folder it hides
        raise BadInput(f"'{shown}' cannot be looked at: {exc}.", fix="Pass a path below an outbox folder.") from None


def found_in(path: str, shown: str, folders: Sequence[Path]) -> Path:
    """See `outbox_file`."""
    wanted = Path(path).expanduser()
    candidates = [wanted] if wanted.is_absolute() else [folder / wanted for folder in folders]
    for candidate in candidates:
        real = candidate.resolve()
        if real.is_file() and any(real.is_relative_to(folder.resolve()) for folder in folders):
            if real.stat().st_nlink > 1:
                raise BadInput(
                    f"'{shown}' has another name on this disk (a hard link), and may be a file from elsewhere.",
                    fix="Put a copy of it into the outbox folder.",
                )
            if real.stat().st_size > MAX_FILE:
                raise BadInput(
                    f"'{shown}' has {real.stat().st_size:,} bytes; at most {MAX_FILE:,} can be sent.",
                    fix="Send a smaller file, or a link.",
                )
            return real
    raise BadInput(
        f"There is no file '{shown}' in an outbox folder.",
        fix=f"Put it below one of: {', '.join(map(str, folders))}.",
    )


def attached(name: str, folders: Sequence[Path]) -> Attachment:
    """A file below an outbox folder as what a message holds of it. Blocks; raises as `outbox_file`."""
    path = outbox_file(name, folders)
    kind, mime = kind_of(path.name)
    return Attachment(f"file:{path}", kind, mime, plain_name(path.name), path.stat().st_size)


def kind_of(name: str) -> tuple[Literal["image", "audio", "video", "file"], str]:
    """What kind of file a name stands for, and its media type."""
    mime = mimetypes.guess_type(name)[0] or ""
    match mime.partition("/")[0]:
        case "image" if mime != "image/svg+xml":
            return "image", mime
        case "audio":
            return "audio", mime
        case "video":
            return "video", mime
        case _:
            return "file", mime
