"""Files: https://docs.slack.dev/messaging/working-with-files. One is put where only its owner sees it, then shared."""

from __future__ import annotations

import json
import mimetypes
from typing import Any

from tests.servers.slack.methods import Methods, Refused
from tests.servers.slack.state import BOT, Json, Message, StoredFile

__all__ = ["WithFiles"]


class WithFiles(Methods):
    """The methods of files, beside all others."""

    def do_files_getuploadurlexternal(self, given: Json) -> Json:
        name, length = str(given.get("filename") or ""), int(given.get("length") or 0)
        if not name or length <= 0:
            raise Refused("invalid_arguments")
        file = StoredFile(self.world.id("F"), name, b"", mimetypes.guess_type(name)[0] or "application/octet-stream")
        self.world.files[file.id] = file
        return {"upload_url": f"{self.base}/upload/v1/{file.id}", "file_id": file.id}

    def do_files_completeuploadexternal(self, given: Json) -> Json:
        listed: Any = given.get("files")
        wanted: list[Json] = json.loads(listed) if isinstance(listed, str) else listed
        files = [self.world.files.get(str(each.get("id"))) for each in wanted]
        if not files or any(each is None or not each.put for each in files):
            raise Refused("file_not_found")
        for file, each in zip(files, wanted, strict=True):
            assert file is not None
            file.complete, file.title = True, str(each.get("title") or file.name)
        if given.get("channel_id"):
            self._share(given, [each.id for each in files if each is not None])
        return {"files": [{"id": each.id, "title": each.title} for each in files if each is not None]}

    def _share(self, given: Json, ids: list[str]) -> None:
        channel = self._channel({"channel": given["channel_id"]}, post=True)
        message = Message(self.world.ts(), BOT, str(given.get("initial_comment") or ""), files=ids)
        if given.get("thread_ts"):
            parent = self._message(channel, given["thread_ts"])
            message.thread = parent.thread or parent.ts
        channel.messages[message.ts] = message
        for each in ids:
            self.world.files[each].shares.setdefault(channel.id, []).append(message.ts)
        self._tell(self._event(channel, self.world.wire(channel, message)))

    def do_files_info(self, given: Json) -> Json:
        file = self.world.files.get(str(given.get("file")))
        if file is None:
            raise Refused("file_not_found")
        return {"file": self.world.file_wire(file, self.base), "comments": [], "response_metadata": {"next_cursor": ""}}
