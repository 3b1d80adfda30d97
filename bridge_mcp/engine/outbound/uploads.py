"""Files to send: resolves a message's `Attachment.ref` when the message is sent.

file:/abs/path        a file below one of the owner's outbox folders, checked again at that moment
of:CHANNEL:REF        a file that came in on a channel; on the same one the platform has it already
arguments:APPROVAL    the whole arguments of a call that waits for a verdict, with nothing hidden in them
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio.to_thread

from bridge_mcp.core.capabilities import MAX_FILE
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import BadInput, FetchFailed, NotFound, SendFailed
from bridge_mcp.core.file_names import plain_name
from bridge_mcp.core.safe_text import escaped, pretty
from bridge_mcp.operations.outgoing_files import outbox_file
from bridge_mcp.ports import Approvals, Channel, Files, Upload

__all__ = ["Uploads"]


class Uploads:
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
        scheme, _, target = file.ref.partition(":")
        match scheme:
            case "file":
                try:
                    path = await anyio.to_thread.run_sync(outbox_file, target, self._folders)
                except BadInput as exc:
                    raise SendFailed(str(exc)) from None
                return Upload(file.kind, plain_name(file.name or path.name), file.mime, path=path)
            case "of":
                source, _, ref = target.partition(":")
                if source == channel:
                    return Upload(file.kind, file.name, file.mime, ref=ref)
                return Upload(file.kind, file.name, file.mime, data=await self._fetched(source, file, ref))
            case "kept" if self._files is not None:
                try:
                    return Upload(file.kind, file.name, file.mime, data=await self._files.read(file.ref))
                except NotFound as exc:
                    raise SendFailed(str(exc)) from None
            case "arguments":
                approval = await self._approvals.get(target)
                if approval is None:
                    raise SendFailed(f"The arguments of {target[:80]} cannot be sent: there is no such approval.")
                # JSON escapes stand for what hides: the file reads as it looks, and holds the same values.
                data = escaped(pretty(approval.arguments)).encode("utf-8", "backslashreplace")
                return Upload(file.kind, file.name, file.mime, data=data)
            case _:
                raise SendFailed(f"The file '{file.name or file.ref[:80]}' cannot be sent: nobody knows where it is.")

    async def _fetched(self, source: str, file: Attachment, ref: str) -> bytes:
        """The bytes of a file that another channel holds."""
        channel = self._channels.get(source)
        if channel is None:
            raise SendFailed(
                f"The file '{file.name}' came in on '{source}', which is not in the config any more.",
                fix="Put that channel back into bridge.toml, or send the file itself.",
            )
        try:
            return await channel.fetch(Attachment(ref, file.kind, file.mime, name=file.name, size=file.size), MAX_FILE)
        except FetchFailed as exc:
            raise SendFailed(f"The file '{file.name}' could not be fetched from {source}: {exc}") from exc
