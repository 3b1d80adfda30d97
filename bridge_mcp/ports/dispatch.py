"""Port of the dispatcher: which process works on which conversation, and when."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Protocol

from msgspec import Struct

__all__ = ["Dispatcher", "Driven", "Drives"]


class Driven(Struct, frozen=True):
    """How a drive of a conversation ended."""

    until: float | None = None
    """When there is something to do by itself (epoch seconds, 0: at once); None: not before something comes in."""
    pause_s: float = 0.0
    """It failed: it is not to be driven again before so many seconds are over."""
    server: str = ""
    """The tool server that its next call is of, which another process runs: that process is to drive it on."""


class Drives(Protocol):
    """The drives of this process, as a dispatcher sees them. The engine has the one implementation."""

    most: int
    """How many there may be at once."""

    @property
    def under_way(self) -> AbstractSet[str]:
        """The conversations that are driven in this process now, by its dispatcher or by others."""
        ...

    async def drive(self, conversation: str) -> Driven | None:
        """Work on a conversation until there is nothing to do; None: this process does so already, nothing was done.

        Cancelling it cuts its effects off as a crash would: the log holds the intents.

        Raises:
            StoreLost: there is no store to work with. All other failures are an outcome.
        """
        ...

    async def give_up(self, conversation: str, why: str) -> None:
        """End the turn of a conversation that nobody can drive, so that it ends no further process.

        Raises:
            StoreError: this cannot be written.
        """
        ...


class Dispatcher(Protocol):
    """Hands out the conversations that have something to do (`Agenda.due`).

    It promises:

    - Each of them is driven soon, and again if something came in during the drive; one with a time, at that time.
    - No conversation is driven twice at the same time, in whichever process. Where a process seems dead and is not,
      the rules for appending (`LogStore`) make its writes void.
    - At most `Drives.most` drives run at once in one process, and one that waits for room gets it.
    - What a process was driving when it died is driven by another one, or by the next; where there are others, what
      ends one after the other is given up.
    - A drive that failed is made again after its pause, and holds up no other conversation.
    """

    alone: bool
    """Whether no other process drives while this one runs: then a conversation is free if no drive here has it."""

    async def run(self, drives: Drives) -> None:
        """Until cancelled; then the drives under way are cut off.

        Raises:
            StoreLost: there is no store to search.
        """
        ...

    def changed(self, conversations: Mapping[str, int] | None) -> None:
        """A hint that something was committed about these conversations; None: about any."""
        ...

    def freed(self) -> None:
        """A hint that a drive ended that this dispatcher did not begin: there may be room."""
        ...

    def look_again(self) -> None:
        """Drive every conversation that waits once more: what decisions depend on (tools, the config) has changed."""
        ...
