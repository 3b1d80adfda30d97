"""Port of drafts: the text so far of a reply that a model is streaming, for readers of the store."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

__all__ = ["Draft", "Drafts"]


class Draft(Struct, frozen=True):
    """The text so far of one reply. `number` is the same for all of one reply, and never 0."""

    number: int
    text: str


class Drafts(Protocol):
    """Passes growing replies from the engine to whoever reads them, in any process of this machine.

    Best effort: nothing of it is in a log, what fails is dropped, and a reply that is over has no draft: its message
    tells it. No method waits for anything but a small file.
    """

    def clear(self) -> None:
        """Delete all drafts: an earlier engine that was killed may have left some."""
        ...

    def wanted(self, conversation: str) -> bool:
        """Whether somebody reads drafts: with some providers streaming costs more."""
        ...

    def put(self, conversation: str, number: int, text: str) -> None:
        """Show the text so far; "" ends the draft."""
        ...

    def forget(self, conversation: str) -> None:
        """Remove the draft of a conversation, whoever wrote it.

        Raises:
            StoreError: it cannot be removed.
        """
        ...

    def read(self, conversation: str) -> Draft | None:
        """Return the current draft, or None. Drafts are then wanted for some seconds."""
        ...
