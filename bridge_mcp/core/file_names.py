"""Sanitizes names of files from chats, tools and agents, for logs, requests and disks.

A name is no path, has no invisible characters, and is short enough for every disk (255 bytes) and platform.
"""

from __future__ import annotations

from msgspec import structs

from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.safe_text import hidden

__all__ = ["plain_attachment", "plain_name"]

MAX_BYTES = 200
"""Bytes of a name in UTF-8."""
MAX_ENDING = 20
"""Characters of an ending (`.tar`) that is kept where a name is cut."""
MAX_TYPE = 127
"""Characters of a media type (RFC 6838)."""


def plain_name(name: str) -> str:
    """The name without path and invisible characters, and cut to `MAX_BYTES`; empty stays empty."""
    last_part = name[-10_000:].replace("\\", "/").rpartition("/")[2] or name[-10_000:].strip("/\\")
    odd = hidden(last_part)
    if odd:
        last_part = "".join(["_" if char in odd else char for char in last_part])
    last_part = last_part.strip()
    if len(last_part.encode("utf-8", "replace")) <= MAX_BYTES:
        return last_part
    stem, dot, ending = last_part.rpartition(".")
    end = f"{dot}{ending}" if stem and len(ending) < MAX_ENDING else ""
    room = MAX_BYTES - len(end.encode("utf-8", "replace")) - len("…".encode())
    cut = last_part.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")
    return f"{cut}…{end}"


def plain_attachment(file: Attachment) -> Attachment:
    """An incoming file, with a name and a media type that are safe to show, store and forward."""
    name = plain_name(file.name)
    mime = "" if hidden(file.mime) or len(file.mime) > MAX_TYPE else file.mime
    return file if (name, mime) == (file.name, file.mime) else structs.replace(file, name=name, mime=mime)
