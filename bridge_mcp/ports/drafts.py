"""The port of drafts: the text so far of a reply that a model is giving, for readers of the store."""

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
        """End all drafts: those that an engine before left behind when it was killed."""
        ...

    def wanted(self, conversation: str) -> bool:
        """Whether somebody has read lately: some providers stream at a price."""
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
        """The draft of now, if there is one; from then on one is wanted, for some seconds."""
        ...
