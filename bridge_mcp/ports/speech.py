"""The port of what speaks texts."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from bridge_mcp.core.entries import Usage

__all__ = ["Speaker", "Speech"]


class Speech(Struct, frozen=True):
    """A text, spoken."""

    data: bytes
    mime: str
    usage: Usage = Usage()


class Speaker(Protocol):
    """Speaks one text at a time, or several at once."""

    @property
    def model(self) -> str:
        """The model that does it, for people."""
        ...

    @property
    def max_chars(self) -> int:
        """The longest text that is spoken."""
        ...

    async def speak(self, text: str) -> Speech:
        """A text as speech.

        Raises:
            ModelFailed: there is none; the message says why.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
