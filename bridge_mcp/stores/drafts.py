"""Drafts (`ports.Drafts`) as small files in a folder beside the store, so that a growing reply costs no commit.

`HASH.text` holds the draft of a conversation, as JSON, and is replaced as a whole; `HASH.read` is touched by readers.
The hash is of the conversation's name: no file name comes from outside. Only this user can read the folder.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path

from bridge_mcp.core.errors import StoreError
from bridge_mcp.ports import Draft

__all__ = ["DraftFolder"]

READ_S = 10.0
"""How long a draft is wanted after somebody has read."""
TOUCH_S = 2.0
"""How often a reader says that it reads."""
EVERY_S = 0.08
"""The shortest time between two writes of one draft."""
MAX_TEXT = 200_000
"""Characters of a draft that are shown: its end."""


class DraftFolder:
    """See `ports.Drafts`. Any number of processes may use one folder; it is made by its first reader."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._touched: dict[str, float] = {}
        self._written: dict[str, float] = {}
        self._later: dict[str, tuple[int, str]] = {}
        """What is to be written once its time has come."""

    def clear(self) -> None:
        """See `ports.Drafts`."""
        with suppress(OSError):
            for left in self._folder.glob("*.text*"):
                left.unlink(missing_ok=True)

    def wanted(self, conversation: str) -> bool:
        """See `ports.Drafts`."""
        try:
            return time.time() - os.stat(self._path(conversation, "read")).st_mtime < READ_S
        except OSError:
            return False

    def put(self, conversation: str, number: int, text: str) -> None:
        """See `ports.Drafts`. Of texts that come faster than people read, some are left out, but never the last."""
        if not text:
            self._later.pop(conversation, None)
            if self._written.pop(conversation, None) is not None:
                with suppress(OSError):
                    os.unlink(self._path(conversation, "text"))
            return
        waits, since = conversation in self._later, time.monotonic() - self._written.get(conversation, -EVERY_S)
        self._later[conversation] = (number, text)
        if since >= EVERY_S:
            self._write(conversation)
        elif not waits:
            asyncio.get_running_loop().call_later(EVERY_S - since, self._write, conversation)

    def forget(self, conversation: str) -> None:
        """See `ports.Drafts`."""
        self._later.pop(conversation, None)
        try:
            for kind in ("text", "text.new", "read"):
                self._path(conversation, kind).unlink(missing_ok=True)
        except OSError as exc:
            raise StoreError(f"{exc.filename} cannot be removed: {exc.strerror}.") from exc

    def read(self, conversation: str) -> Draft | None:
        """See `ports.Drafts`."""
        now = time.monotonic()
        if now - self._touched.get(conversation, -TOUCH_S) >= TOUCH_S:
            self._touched[conversation] = now
            self._touch(self._path(conversation, "read"))
        try:
            found = json.loads(self._path(conversation, "text").read_bytes())
            return Draft(int(found["number"]), str(found["text"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _write(self, conversation: str) -> None:
        """Write what waits to be written, if it still does."""
        if (latest := self._later.pop(conversation, None)) is None:
            return
        number, text = latest
        path = self._path(conversation, "text")
        with suppress(OSError):
            new = path.with_suffix(".text.new")
            opened = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(opened, "wb") as file:
                file.write(json.dumps({"number": number, "text": text[-MAX_TEXT:]}).encode())
            os.replace(new, path)
        self._written[conversation] = time.monotonic()

    def _touch(self, path: Path) -> None:
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            path.touch(0o600)

    def _path(self, conversation: str, kind: str) -> Path:
        digest = hashlib.sha256(conversation.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return self._folder / f"{digest}.{kind}"
