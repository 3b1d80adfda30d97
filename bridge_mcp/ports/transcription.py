"""The port of what turns speech into text."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from bridge_mcp.core.entries import Usage

__all__ = ["Transcriber", "Transcript"]


class Transcript(Struct, frozen=True):
    """What was said in a file; empty where nothing was."""

    text: str
    usage: Usage = Usage()


class Transcriber(Protocol):
    """Transcribes one file at a time, or several at once."""

    @property
    def max_bytes(self) -> int:
        """The largest file that is transcribed."""
        ...

    @property
    def model(self) -> str:
        """The model that does it, for people."""
        ...

    async def transcribe(self, data: bytes, *, name: str, mime: str) -> Transcript:
        """The words of an audio file.

        Raises:
            ModelFailed: it gave none; the message says why.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
