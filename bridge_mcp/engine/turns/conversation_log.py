"""One conversation's log, as its worker has it in memory: read again only where somebody else has written.

What the worker appends itself is added to what it knows, where nothing came in between: an append says the seq. If
something did, or somebody tells of a log that is longer, what is new is read. A log that is behind does no harm: an
intent has to stand where its writer took the end to be, and all else is written once for its key, or not at all.
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

    @property
    def behind(self) -> bool:
        """Whether the log has gone on, as far as is known here."""
        return self._told > self._head

    async def read(self) -> Log:
        """The end of the log, as far as is known here; the list is that of `LogCache`, and grows with the log."""
        known = () if self.behind else self._deps.recent_logs.known(self._conversation)
        if known:
            return known
        self._told = 0  # before it is read: what is told of from here on is read the next time
        log = await self._deps.recent_logs.get(self._conversation, self._limit)
        self._head = log[-1].seq + 1 if log else 0
        return log

    def told(self, head: int | None) -> None:
        """Somebody says what the next seq is; None: that something may have been appended."""
        self._told = math.inf if head is None else max(self._told, head)

    async def intend(self, expected: int, *entries: Entry, wake: float | None) -> tuple[Logged, ...]:
        """Append where the log is known to end.

        Raises:
            Conflict: it has gone on.
        """
        appended: tuple[Logged, ...] = ()
        try:
            appended = await self._deps.store.log.intend(self._conversation, expected, *entries, wake=wake)
        finally:
            self._add(appended)
        return appended

    async def record(self, *entries: Entry) -> None:
        """Append what is not there yet."""
        try:
            await self._deps.store.log.record(self._conversation, *entries)
        finally:
            self.told(None)

    async def answer(self, started: int, entry: Replied | Summarised | Failed, wake: float | None) -> None:
        """Append what came of the model call begun at `started`, if that is still waited for."""
        answered: Logged | None = None
        try:
            answered = await self._deps.store.log.answer(self._conversation, started, entry, wake=wake)
        finally:
            self._add((answered,) if answered is not None else ())

    async def rest(self, head: int, until: float | None) -> bool:
        """Note that there is nothing to do before `until`; False where the log has gone on."""
        rests = await self._deps.store.agenda.rest(self._conversation, head, until)
        if not rests:
            self.told(None)
        return rests

    def _add(self, appended: tuple[Logged, ...]) -> None:
        """Know what was appended; with nothing, whoever appends has failed or was cancelled, and it may be there."""
        if appended and self._deps.recent_logs.add(self._conversation, *appended):
            self._head = appended[-1].seq + 1
        else:
            self.told(None)
