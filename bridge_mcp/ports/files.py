"""The port of the files that the bridge keeps itself: what tools answered with, what people sent."""

from __future__ import annotations

from typing import Protocol

from bridge_mcp.core.entries import Attachment

__all__ = ["KEPT", "Files"]

KEPT = "kept:"
"""How an `Attachment.ref` begins that `Files` gave; every other one is for its channel to read."""


class Files(Protocol):
    """Bytes by reference. A log holds the reference, so it stays small whatever a tool answers with."""

    async def put(self, data: bytes, *, mime: str = "", name: str = "") -> Attachment:
        """Keep these bytes; the same bytes are kept once. `ref` begins with `KEPT`, `kind` is that of the MIME type.

        Raises:
            BadInput: they are larger than one file may be.
            StoreError: there is no room for them, or the folder cannot be written.
        """
        ...

    async def remove(self, ref: str) -> None:
        """Remove the bytes of a reference, if they are there."""
        ...

    async def read(self, ref: str) -> bytes:
        """The bytes of an `Attachment.ref` that `put` gave.

        Raises:
            NotFound: this is no such reference, or the file was removed to make room for newer ones.
        """
        ...
