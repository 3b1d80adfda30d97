"""Port of the store: what a store that was restored from a backup must not go on with by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from bridge_mcp.core.grants import Grant
from bridge_mcp.ports.access import Pairing, StoredClient

__all__ = ["HeldBack", "Restoring"]


class HeldBack(Struct, frozen=True):
    """The clients, grants and pairings of a restored store that are off until its owner has seen them."""

    clients: tuple[StoredClient, ...] = ()
    grants: tuple[Grant, ...] = ()
    pairings: tuple[Pairing, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.clients or self.grants or self.pairings)


class Restoring(Protocol):
    """A copy of a store that is about to take the place of the store. Nobody else works with it."""

    async def begin_anew(self, cursor: int) -> None:
        """Give the store a new identity, in one transaction.

        The feed begins after `cursor`, which is higher than any that was given: whoever goes on at an older one is told
        that there is a gap. Secrets are made anew, so no signed handle of before holds. Clients, grants and pairings
        are held back: each may have been ended since. Subscriptions to events, claims, open pairing codes and the
        status of the engine are gone.
        """
        ...

    async def unfinished(self) -> tuple[str, ...]:
        """The conversations with anything open: a step, a message to send, a question, a call that waits."""
        ...

    async def unsent(self, conversation: str) -> Mapping[int, tuple[str, ...]]:
        """By seq: the messages that are queued or being sent, each with what the platform calls the parts that went."""
        ...

    async def questions(self, conversation: str) -> tuple[int, ...]:
        """The seqs of the questions that nobody has answered."""
        ...

    async def held_back(self) -> HeldBack:
        """What is off since the store was restored."""
        ...

    async def let_in(self) -> HeldBack:
        """Turn on what is held back, in one transaction; what that was."""
        ...
