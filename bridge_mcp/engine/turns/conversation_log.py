"""One conversation's log in its worker's memory: read again only after somebody else has written.

The worker's own appends are added, if their seqs show that nothing came in between. If something did, or a notification
tells of a longer log, new entries are read. A stale log is harmless: an intent is refused unless it is at the end, and
every other entry is recorded once per key.
"""

from __future__ import annotations

import math

from bridge_mcp.core.entries import Entry, Failed, Log, Logged, Replied, Summarised
from bridge_mcp.engine.turns.deps import Deps

__all__ = ["ConversationLog"]

ENTRIES_PER_MESSAGE = 2
"""About how many entries a message of the transcript takes: intents and verdicts are entries too."""


class ConversationLog:
    """Reads and appends; see `ports.LogStore` for what each way to append promises."""

    def __init__(self, conversation: str, deps: Deps) -> None:
        self._conversation = conversation
        self._deps = deps
        self._limit = deps.policies.channel(conversation).history_limit * ENTRIES_PER_MESSAGE
        self._head = 0
        """The next seq by what is known here."""
        self._told = math.inf
        """The next seq as somebody told of it; infinite: there may be any."""
        self._rests_at = -1
        """The next seq after an append with which the store noted that there is nothing to do by itself; -1: none."""

    @property
    def behind(self) -> bool:
        """Whether the log has gone on, as far as is known here."""
        return self._told > self._head

    async def read(self) -> Log:
        """The known end of the log; the list is that of `LogCache`, and grows with the log."""
        cached = () if self.behind else self._deps.recent_logs.known(self._conversation)
        if cached:
            return cached
        self._told = 0  # before reading: later notifications are for the next read
        log = await self._deps.recent_logs.get(self._conversation, self._limit)
        self._head = log[-1].seq + 1 if log else 0
        return log

    def note_head(self, head: int | None) -> None:
        """Note a notification: the next seq; None: anything may have been appended."""
        self._told = math.inf if head is None else max(self._told, head)

    async def intend(self, expected: int, *entries: Entry, wake: float | None) -> tuple[Logged, ...]:
        """Append at the known end of the log.

        Raises:
            Conflict: it has gone on.
        """
        appended: tuple[Logged, ...] = ()
        try:
            appended = await self._deps.store.log.intend(self._conversation, expected, *entries, wake=wake)
        finally:
            self._add(appended, rests=wake is None)
        return appended

    async def record(self, *entries: Entry) -> None:
        """Append entries whose keys are not there yet."""
        try:
            await self._deps.store.log.record(self._conversation, *entries)
        finally:
            self.note_head(None)

    async def answer(self, started: int, entry: Replied | Summarised | Failed, wake: float | None) -> None:
        """Append the outcome of the model call begun at `started`, if that is still awaited."""
        answered: Logged | None = None
        try:
            answered = await self._deps.store.log.answer(self._conversation, started, entry, wake=wake)
        finally:
            # What came in meanwhile has made it due, whatever `wake` said.
            alone = answered is not None and answered.seq == started + 1
            self._add((answered,) if answered is not None else (), rests=alone and wake is None)

    async def rest(self, head: int, until: float | None) -> bool:
        """Note that there is nothing to do before `until`; False if the log has grown.

        After an append that has noted the same there is nothing to write. Whoever has appended since made it due.
        """
        if until is None and head == self._rests_at and not self.behind:
            return True
        self._rests_at = -1
        rests = await self._deps.store.agenda.rest(self._conversation, head, until)
        if not rests:
            self.note_head(None)
        return rests

    def _add(self, appended: tuple[Logged, ...], *, rests: bool) -> None:
        """Add appended entries; none: the append failed or was cancelled, and may have happened.

        `rests`: with them, the store noted that there is nothing to do by itself.
        """
        if appended and self._deps.recent_logs.add(self._conversation, *appended):
            self._head = appended[-1].seq + 1
            self._rests_at = self._head if rests else -1
        else:
            self.note_head(None)
