"""Files on their way out: https://docs.slack.dev/messaging/working-with-files#upload.

Each file is put where Slack says, which nobody sees; then all of them are shared with the chat by one request. Whether
that took effect is told by the file itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import aiohttp
import anyio
import anyio.to_thread
from cachetools import LRUCache

from bridge_mcp.channels.slack.send.requests import Share
from bridge_mcp.channels.slack.values import inner, listed
from bridge_mcp.channels.slack.web import SlackFault, SlackWeb
from bridge_mcp.core.errors import SendFailed
from bridge_mcp.ports import Upload

__all__ = ["Uploads", "content"]

UPLOAD_S = 120.0
"""How long one file may take."""
LOOKS = 10
"""How often a shared file is asked for its message, which Slack makes a moment later."""
REMEMBERED = 64


class Uploads:
    """Shares files for one app."""

    def __init__(self, web: SlackWeb) -> None:
        self._web = web
        self._unsure: LRUCache[str, list[str]] = LRUCache(REMEMBERED)
        """By key of a part: the files whose sharing gave no answer."""

    async def share(self, channel: str, thread: str, body: Share) -> tuple[str, ...]:
        """Put files into a chat; the ids of their messages.

        Raises:
            SlackFault: a request gave no good answer; nothing was shared.
            SendFailed: a file cannot be read.
        """
        before = self._unsure.pop(body.key, [])
        if before and (sent := await self._messages(before[:1], channel, looks=2)):
            return sent
        files = [await self._put(each) for each in body.uploads]
        ids = [str(each["id"]) for each in files]
        try:
            client = self._web.client
            await self._web.call(
                client.files_completeUploadExternal, files=files, channel_id=channel, thread_ts=thread or None
            )
        except SlackFault as fault:
            if not fault.begun:
                raise
            if body.key:
                self._unsure[body.key] = ids
            if not (sent := await self._messages(ids[:1], channel, looks=LOOKS)):
                raise
            self._unsure.pop(body.key, [])
            return sent
        return await self._messages(ids[:1], channel, looks=LOOKS) or tuple(ids[:1])

    async def _put(self, upload: Upload) -> dict[str, str]:
        """Put one file where only we see it; its id and title."""
        data, name = await content(upload), upload.name or "file"
        client = self._web.client
        place = await self._web.call(client.files_getUploadURLExternal, filename=name, length=len(data))
        try:
            with anyio.fail_after(UPLOAD_S):
                async with self._web.session.post(str(place["upload_url"]), data=data) as answer:
                    if answer.status != 200:
                        raise SlackFault("", f"Slack did not take the file {name} (HTTP {answer.status})")
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise SlackFault("", f"The file {name} could not be put at Slack ({type(exc).__name__})") from exc
        return {"id": str(place["file_id"]), "title": name}

    async def _messages(self, files: Sequence[str], channel: str, *, looks: int) -> tuple[str, ...]:
        """The messages by which files were shared with a channel; none where they were not."""
        for look in range(looks):
            if look:
                await anyio.sleep(0.1 * look)
            try:
                answer = await self._web.call(self._web.client.files_info, file=files[0])
            except SlackFault as fault:
                if fault.retry_after_s is not None or fault.begun:
                    continue
                return ()
            shares = inner(inner(answer, "file"), "shares")
            posted = [each for kind in ("public", "private") for each in listed(inner(shares, kind), channel)]
            if posted:
                return tuple(str(each["ts"]) for each in posted)
        return ()


async def content(upload: Upload) -> bytes:
    """The bytes of a file.

    Raises:
        SendFailed: there are none, or they cannot be read.
    """
    if upload.data is not None:
        return upload.data
    if upload.path is None:
        raise SendFailed(f"The file {upload.name} has no bytes here.", fix="Attach it again.")
    try:
        return await anyio.to_thread.run_sync(upload.path.read_bytes)
    except OSError as exc:
        raise SendFailed(f"The file {upload.name} cannot be read: {exc.strerror}.", fix="Send it again.") from exc
