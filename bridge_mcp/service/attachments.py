"""Files: those that may be sent, and those that came with messages."""

from __future__ import annotations

from collections.abc import Sequence

import anyio.to_thread
from msgspec import Struct

from bridge_mcp.core.address import Address
from bridge_mcp.core.capabilities import MAX_FILE
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import BadInput, NotFound
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.projections import Message
from bridge_mcp.core.tools import WHOLE_JSON, WHOLE_TEXT
from bridge_mcp.operations import tickets
from bridge_mcp.operations.addresses import check_text, parse_message
from bridge_mcp.operations.outgoing_files import attached
from bridge_mcp.service.base import BridgeBase, check_range

__all__ = ["Fetched", "Filing"]

MAX_FILES = 10
"""Files of one message: as many as one album holds."""


class Fetched(Struct, frozen=True):
    """A whole file that came with a message."""

    attachment: Attachment
    data: bytes


class Filing(BridgeBase):
    """Methods for files."""

    async def fetch_attachment(
        self, who: Principal, message: str, *, index: int = 0, max_bytes: int = MAX_FILE
    ) -> Fetched:
        """The bytes of a message's file, or of one of a tool's result, named by its ticket; `index` counts from 0.

        The caller of a tool may fetch its files without the scope `read`.

        Raises:
            NotFound: there is no such message, or no such file in it.
            FetchFailed: the file is larger than `max_bytes`, or the platform does not give it (any more).
        """
        attachment, channel = await self._attachment(who, message, index)
        limit = check_range("max_bytes", max_bytes, MAX_FILE)
        return Fetched(attachment, await self._fetch(channel, attachment, limit))

    async def whole_text(self, who: Principal, source: str, *, structured: bool = False) -> Fetched:
        """The text of a message, a ticket or an approval as a file; with `structured`, its JSON.

        Of an approval both are the arguments. The rest of a result that is too long for its ticket is among its files.

        Raises:
            NotFound: there is no such message, ticket or approval, or it has no JSON.
        """
        text, as_json = await self._says(who, source, structured=structured)
        if structured and not text:
            raise NotFound(f"{source} has no structured part.", fix="Use form=text.")
        name, mime = (WHOLE_JSON, "application/json") if as_json else (WHOLE_TEXT, "text/plain")
        data = text.encode("utf-8", "replace")
        return Fetched(Attachment("", "file", mime, name=name, size=len(data)), data)

    async def _says(self, who: Principal, source: str, *, structured: bool) -> tuple[str, bool]:
        """A text that `who` may read, and whether it is JSON."""
        if source.startswith("ap_"):
            who.require("read")
            approval = await self._approval(who, source)
            return approval.edited or approval.arguments, True
        if ":" in source:
            conversation = tickets.parse(source).conversation
            if not tickets.is_call_of(conversation, who.name):
                who.require("read")
            self._address(who, conversation, calls=True)
            ticket = await tickets.look(self.store, source, self.clock.now())
            return (ticket.structured, True) if structured else (ticket.text, False)
        return ("" if structured else (await self._readable(who, source)).text), False

    async def _readable(self, who: Principal, message: str) -> Message:
        """A message that `who` may read."""
        who.require("read")
        conversation, seq = parse_message(message)
        self._address(who, conversation)
        stored = await self.store.history.message(conversation, seq)
        if stored is None:
            raise NotFound(f"There is no message '{message}'.", fix="See read_messages.")
        return stored

    async def _attachment(self, who: Principal, message: str, index: int) -> tuple[Attachment, str]:
        """A file of a message or a result that `who` may read, and the channel it is on."""
        if message.startswith("call:"):
            conversation, files = tickets.parse(message).conversation, await self._brought(who, message)
        else:
            stored = await self._readable(who, message)
            conversation, files = stored.conversation, stored.attachments
        if not 0 <= index < len(files):
            has = f"has {len(files)} files" if files else "has no file"
            raise NotFound(f"{message} {has}; there is none with index {index}.", fix="The first one is 0.")
        return files[index], Address.of(conversation).channel

    async def _brought(self, who: Principal, ticket: str) -> tuple[Attachment, ...]:
        """The files of the result of a client's call."""
        conversation = tickets.parse(ticket).conversation
        if not tickets.is_call_of(conversation, who.name):
            who.require("read")
        self._address(who, conversation, calls=True)
        return (await tickets.look(self.store, ticket, self.clock.now())).attachments

    async def _files(self, who: Principal, files: Sequence[str]) -> tuple[Attachment, ...]:
        """Files to send: a path below an outbox folder, or `MESSAGE_ID/INDEX` or `TICKET/INDEX` of one that came in.

        Raises:
            BadInput: a file is not there, or may not be sent.
        """
        if len(files) > MAX_FILES:
            raise BadInput(f"{len(files)} files are too many.", fix=f"Send at most {MAX_FILES} with one message.")
        return tuple([await self._file(who, file) for file in files])

    async def _file(self, who: Principal, file: str) -> Attachment:
        check_text(file, "files", 1_000)
        message, slash, index = file.rpartition("/")
        if slash and ("#" in message or message.startswith("call:")) and index.isascii() and index.isdigit():
            attachment, channel = await self._attachment(who, message, int(index))
            # A stored file keeps the name it was sent with; any other is fetched from its channel.
            ref = (
                attachment.ref
                if attachment.ref.startswith(("file:", "of:", "kept:"))
                else f"of:{channel}:{attachment.ref}"
            )
            return Attachment(ref, attachment.kind, attachment.mime, name=attachment.name, size=attachment.size)
        return await anyio.to_thread.run_sync(attached, file, self.rules.outbox)
