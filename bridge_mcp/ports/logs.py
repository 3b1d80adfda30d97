"""Ports of the store, first part: the logs, what is due, and what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from bridge_mcp.core.entries import (
    Entry,
    Failed,
    Logged,
    Replied,
    Summarised,
)
from bridge_mcp.core.events import Event, EventType
from bridge_mcp.core.unreadable import UnreadableEntry
from bridge_mcp.ports.channel_state import ChannelOffset

__all__ = ["SHORT_TAIL", "Agenda", "Changes", "EventPage", "Feed", "LogStore", "Recorded"]

SHORT_TAIL = 64
"""Entries that a single look at a conversation starts with."""


class Recorded(Struct, frozen=True):
    """Where a recorded entry stands. `new` is False when its key was there before: then it is the older one's place."""

    seq: int
    new: bool


class LogStore(Protocol):
    """The conversations' logs. There are three ways to append, and no fourth.

    An append is one transaction: the entries, their keys, and every row computed from them (`core.projections`) are
    there together or not at all, and on disk when the call returns. Seqs have no holes, and give the order. `at` is
    what the clock showed, which may have been set back since the entry before. A conversation exists from its first
    entry on.

    A `Judged` that remembers (`core.projections.grant_of`) makes its grant in the same transaction, and every
    conversation in which a call of that tool waits for a verdict is due at once.
    """

    async def entry(self, conversation: str, seq: int) -> Logged | None:
        """The entry with this seq; None where there is none.

        Raises:
            NewerSchema: it was written by a newer bridge_mcp.
        """
        ...

    async def load(
        self, conversation: str, after: int = -1, *, first: int | None = None, last: int | None = None
    ) -> tuple[Logged, ...]:
        """The entries with seq > after, in order; only the `first` or the `last` so many of them.

        Raises:
            NewerSchema: an entry was written by a newer bridge_mcp.
        """
        ...

    async def tail(self, conversation: str, limit: int = SHORT_TAIL) -> tuple[Logged, ...]:
        """The last `limit` entries, and all from `unsettled` on: what `decide` needs.

        Raises:
            NewerSchema: an entry was written by a newer bridge_mcp.
        """
        ...

    async def read(self, conversation: str, after: int = -1, *, first: int) -> tuple[Logged | UnreadableEntry, ...]:
        """The `first` so many entries with seq > after, in order, for people: one that cannot be read says so."""
        ...

    async def calls_since(self, moment: float, limit: int) -> tuple[tuple[str, str], ...]:
        """The conversation and id of each call that was asked about, begun or ended since a moment, the oldest first.

        Of more than `limit`, the newest. Every log is looked through: it is for people who look back, not for turns.
        """
        ...

    async def last_kinds(self, prefix: str) -> Mapping[str, str]:
        """The conversations whose names begin so, each with the kind of its last entry ("" where it cannot be read)."""
        ...

    async def unsettled(self, conversation: str) -> int | None:
        """The lowest seq that `decide` needs (`core.state.unsettled_after`); None: none of those there are."""
        ...

    async def cleared(self, conversation: str) -> int:
        """The seq of the last `Cleared`; -1 for none."""
        ...

    async def find(self, conversation: str, key: str) -> Logged | None:
        """The entry that stands under this key (`entries.key`), however long ago; None if there is none."""
        ...

    async def intend(
        self, conversation: str, expected: int, *entries: Entry, wake: float | None = 0.0, patient: bool = False
    ) -> tuple[Logged, ...]:
        """Append intents, if the next seq is `expected`.

        `wake` is when the conversation next has something to do (epoch seconds; 0: now; None: not by itself). What is
        `patient` may be written together with what comes next, a moment later: for what nobody waits for.

        Raises:
            Conflict: it is not; nothing was written. Load again.
        """
        ...

    async def record(
        self, conversation: str, *entries: Entry, offset: ChannelOffset | None = None
    ) -> tuple[Recorded, ...]:
        """Append facts and outcomes, each at most once per `entries.key`, whoever wrote in between.

        An entry that `entries.wakes` makes its conversation due at once. `offset` is set (`ChannelState`) in the
        same transaction, also where nothing was new: what a platform is told to forget is what was kept.
        """
        ...

    async def answer(
        self, conversation: str, started: int, entry: Replied | Summarised | Failed, wake: float | None = 0.0
    ) -> Logged | None:
        """Append the outcome of the model call begun at `started`; None when it came too late and was dropped.

        It is too late when another model call was begun, the turn was stopped or the conversation cleared since. `wake`
        as for `intend`, but it only holds if nothing that wakes came in since `started`; else it is due now.
        """
        ...


class Agenda(Protocol):
    """Which conversations have something to do. An index over the logs: losing a hint delays, it never loses work."""

    async def due(self, now: float, limit: int) -> tuple[str, ...]:
        """Conversations with something to do at `now`, the longest due first: nobody is passed over for ever."""
        ...

    async def next_due(self, after: float) -> float | None:
        """The first time after `after` at which a conversation or a queued message becomes due; None for never."""
        ...

    async def waiting(self, limit: int) -> tuple[str, ...]:
        """Conversations that wait for a time to come or for a verdict, in no order: what a new policy may concern."""
        ...

    async def rest(self, conversation: str, expected: int, until: float | None) -> bool:
        """Note that there is nothing to do before `until`; False, and nothing noted, if the next seq is another."""
        ...

    async def set_back(self, now: float, by: float) -> None:
        """The clock was set back by so many seconds and shows `now`: whatever waits for a time waits no longer for it.

        Moves what is due later, messages to be sent later, and when grants and open pairing requests end.
        """
        ...

    async def take_over(self, now: float) -> None:
        """For a new engine: what a clock that was ahead has put off is due at once, or within ten minutes."""
        ...

    def watch(self, *, conversations: bool = True) -> Changes:
        """Be told of commits, of this process at once and of others within tens of milliseconds.

        With `conversations` False, commits of this process that concern conversations alone are left out.
        """
        ...


class Changes(Protocol):
    """A subscription to commits, held with `contextlib.closing`. Hints may be spurious; none is lost."""

    async def wait(self, timeout_s: float | None = None) -> Mapping[str, int] | None:
        """The conversations changed since the last wait; empty when time ran out; None: anything may have changed.

        Each comes with the next seq of its log, as far as the commits told of it; 0 where nothing was appended.
        """
        ...

    def close(self) -> None:
        """End the subscription. Closing twice is fine."""
        ...


class EventPage(Struct, frozen=True):
    """Events after a cursor. `gap` is True when events between the asked cursor and the first one were pruned."""

    events: tuple[Event, ...]
    cursor: int
    """Where to go on: everything up to here has been looked at."""
    gap: bool = False
    """Whether events behind the asked cursor are gone."""
    first_available: int = 1
    """The cursor of the oldest event that there is."""


class Feed(Protocol):
    """What happened in the whole bridge, in one order, in the same transaction as what it tells."""

    async def read(
        self,
        after: int,
        limit: int,
        *,
        types: Sequence[EventType] = (),
        conversation: str = "",
        within: frozenset[str] = frozenset(),
    ) -> EventPage:
        """At most `limit` events after the cursor. `within` limits to these channels and chats; empty is all.

        Raises:
            BadInput: the cursor lies in the future.
        """
        ...

    async def head(self, within: frozenset[str] = frozenset()) -> int:
        """The cursor of the newest event, 0 when there is none yet.

        `within`: of these channels and chats; where all of theirs are forgotten, of the last one that was.
        """
        ...

    async def publish(self, *events: Event) -> None:
        """Add events that tell of no log entry."""
        ...

    async def acknowledge(self, consumer: str, cursor: int) -> int:
        """Move a named consumer's cursor forward (never back); the cursor it stands at. -1 only reads it."""
        ...

    async def prune(self, before_cursor: int) -> int:
        """Forget events with a cursor below this one; how many went."""
        ...
