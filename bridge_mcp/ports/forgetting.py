"""Port of the store: the content of entries, and of what stands beside them, goes for good."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from msgspec import Struct

__all__ = ["Forgetting", "Forgotten", "ToForget", "Why"]

Why: TypeAlias = Literal["conversation", "person", "retention"]
"""What was to be forgotten: a conversation, a person, or what is older than its channel keeps."""


class ToForget(NamedTuple):
    """Something that is to be forgotten, and is noted until it is: a crash in the middle ends none of it."""

    kind: Literal["conversation", "person", "file", "compact"]
    """`compact`: free pages and the write-ahead log hold what was forgotten still."""
    subject: str = ""
    """A conversation; `channel/id` of a person; the reference of a kept file."""
    by: str = ""


class Forgotten(Struct, frozen=True):
    """What went with the entries of one conversation."""

    entries: int = 0
    approvals: tuple[str, ...] = ()
    """The ids of the approvals among them, whose prompts may stand in other conversations."""


class Forgetting(Protocol):
    """Forgets for good: nothing of it is left in any table, index or key. What is in free pages goes by `compact`."""

    async def note(self, *wanted: ToForget) -> None:
        """Note what is to be forgotten. Twice the same is once."""
        ...

    async def noted(self) -> tuple[ToForget, ...]:
        """What is noted, in order."""
        ...

    async def done(self, *wanted: ToForget) -> None:
        """No longer note it, but note `compact`, in one transaction."""
        ...

    async def entries(
        self, conversation: str, seqs: Collection[int] | None, quoting: Collection[int] = (), *, by: str, why: Why
    ) -> Forgotten:
        """Empty these entries (`core.forgetting.redact_entry`), all of them with None, and log it as `Forgot`.

        Rows beside the log are computed anew, the search index gives up the words, and the kept files of these entries
        are noted: all in one transaction. Those that are forgotten already are passed over; where all are, nothing is
        written. `quoting` lose what they quote.

        Raises:
            Unreadable: an entry cannot be read, and so not be emptied; nothing was changed.
        """
        ...

    async def beside(self, conversation: str) -> None:
        """Delete what stands of a conversation beside its log: events of its own, titles, claims, grants, a name."""
        ...

    async def person(self, channel: str, subject: str, principal: str) -> None:
        """Delete a person's pairing, requests, first message, grants and events, and their name elsewhere."""
        ...

    async def conversations_with(self, channel: str, subject: str) -> tuple[str, ...]:
        """The conversations in whose logs a person is: by their id in those of the channel, by `channel:id` in all."""
        ...

    async def reminders_for(self, conversation: str) -> tuple[str, ...]:
        """The logs of the assistant's reminders for a conversation."""
        ...

    async def prompts_of(self, approvals: Sequence[str]) -> Mapping[str, tuple[int, ...]]:
        """By conversation: the entries that put these approvals to people."""
        ...

    async def older_than(self, channel: str, at: float, limit: int) -> Mapping[str, int]:
        """By conversation, at most `limit`: the last entry before this time, where there is content up to it."""
        ...

    async def unused(self) -> tuple[str, ...]:
        """Of the kept files that are noted: those that no entry refers to any more. The others are noted no longer."""
        ...

    async def compact(self) -> bool:
        """Write the store anew without what is free in it, and empty its write-ahead log.

        False where others kept it from that for too long: it is noted still.
        """
        ...
