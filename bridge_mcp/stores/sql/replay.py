"""Computes anew what stands beside the logs, by the functions that an append runs, one conversation in a transaction.

What is done:

- The rows of conversations, messages, platform ids, buttons, approvals and spending are computed from the entries, and
  the keys of entries too. The entries themselves, their times and their seals stay as they are, broken or not.
- The feed keeps its cursors. An event that is wrong is put right or goes; one that is missing is told at the end, with
  a cursor of its own, as a late event. What was pruned stays away. So readers go on where they were, without a gap.
- The full-text index begins anew.
- A conversation that has something to do is due at once: when it was to wake is a hint.

What no entry tells is kept: how often sending a message was tried, which of its parts went out, until when it waits;
the numbers by which messages and approvals are listed; grants, which may have been revoked since; pairings, clients,
and what is kept of channels. A message whose row is lost, and whose outcome no entry tells, is held to be `sending`:
the next engine says that its fate is unknown, and nobody sends it twice. The log of a conversation whose row is lost
has no name any more, and stays as it is.

Whoever is killed in the middle leaves some conversations rebuilt and the others as they were, and each of them whole.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import Edited, Failed, Logged, Revised, Transcribed, key
from bridge_mcp.core.errors import Unreadable
from bridge_mcp.core.events import Event, event_of
from bridge_mcp.core.grants import Grant
from bridge_mcp.core.projections import text_after
from bridge_mcp.stores.sql.appends import Append
from bridge_mcp.stores.sql.feed import cursor_span
from bridge_mcp.stores.sql.findings import OPEN_STATUSES
from bridge_mcp.stores.sql.rows import logged
from bridge_mcp.stores.sql.session import Session
from bridge_mcp.stores.sql.spending import add_spending

__all__ = ["Progress", "Rebuild", "Rebuilt", "Replay", "Told"]

ENTRIES_AT_ONCE = 2000
"""Entries that are in memory at once."""

FIRST = (
    *("delete_messages_of_nobody", "delete_platform_ids_of_nobody", "delete_buttons_of_nobody"),
    *("delete_approvals_of_nobody", "delete_events_of_nobody"),
)
CLEAR = ("delete_messages_of", "delete_platform_ids_of", "delete_buttons_of", "delete_approvals_of")
LAST = ("delete_spending_of_nobody", "sum_spending_of_channels", "sum_spending_of_the_bridge")
"""The statements that are run before all conversations, before each, and after all."""

Progress = Callable[[int, int], None]
"""Hears how many conversations are done, and of how many."""


@dataclass(slots=True)
class Rebuilt:
    """What was done."""

    conversations: int = 0
    entries: int = 0
    skipped: list[str] = field(default_factory=list[str])
    """The conversations that were left as they were, each with the reason: an entry cannot be read."""


NEW: Mapping[str, object] = {
    "status": "",
    "due_at": 0.0,
    "attempts": 0,
    "reason": "",
    "platform_ids": "[]",
    "parts": 0,
}
"""The first values of the columns that tell how sending a message goes: no entry tells them while it is under way."""


class KeptMessage(NamedTuple):
    """What is kept of a message's row."""

    number: int
    sending: Mapping[str, object]


class Told(NamedTuple):
    """An event of an entry, as the feed has it."""

    cursor: int
    type: str


class Rebuild:
    """One run over a store."""

    def __init__(self, session: Session, now: float, delivered_by_commit: Set[str]) -> None:
        self._session = session
        self._now = now
        self._delivered = delivered_by_commit
        self._done = Rebuilt()
        self._told: dict[str, list[tuple[int, Told]]] = {}
        """By conversation: what the feed tells of its entries, in order."""
        self._seen = 0
        """How far the feed was read."""
        self._pruned = cursor_span(session)[1] > 1

    def run(self, progress: Progress) -> Rebuilt:
        """Do it; see above."""
        with transaction(self._session):
            self._session.words.begin_anew(self._session)
            for statement in FIRST:
                self._session.put(statement)
        conversations = self._session.rows("all_conversations")
        for number, (id, name) in enumerate(conversations):
            progress(number, len(conversations))
            try:
                with transaction(self._session):
                    self._done.entries += self._conversation(id, name)
                self._done.conversations += 1
            except Unreadable as exc:
                self._done.skipped.append(str(exc))
        with transaction(self._session):
            for statement in LAST:
                self._session.put(statement)
        self._session.words.catch_up(self._session)
        progress(len(conversations), len(conversations))
        return self._done

    def _conversation(self, id: int, name: str) -> int:
        """Compute the rows of one conversation anew; the number of its entries."""
        self._read_events()
        channel = Address.of(name).channel
        replay = Replay(self._session, id, name, channel in self._delivered, self._told.pop(name, []), self._pruned)
        count, after = 0, -1
        while page := self._session.rows("entries_page", id=id, after=after, limit=ENTRIES_AT_ONCE):
            for seq, at, stored_key, body, link in page:
                entry = logged(name, seq, at, body)
                if stored_key != key(entry.entry):
                    self._session.put("set_entry_key", id=id, seq=seq, key=key(entry.entry))
                replay.take(entry, link)
            count, after = count + len(page), page[-1][0]
        replay.finish(self._now)
        return count

    def _read_events(self) -> None:
        """Take note of what was told since: of all at first, then of what other processes append meanwhile."""
        for cursor, name, seq, type in self._session.rows("events_of_entries", after=self._seen):
            self._told.setdefault(name, []).append((seq, Told(cursor, type)))
            self._seen = cursor


class Replay(Append):
    """Appends the entries of a log that are there: everything but the entries is written, under its former numbers."""

    def __init__(
        self, session: Session, id: int, name: str, delivered: bool, events: list[tuple[int, Told]], pruned: bool
    ) -> None:
        self._kept_messages = {
            seq: KeptMessage(number, dict(zip(NEW, sending, strict=True)))
            for seq, number, *sending in session.rows("messages_to_keep", id=id)
        }
        self._kept_approvals = dict(session.rows("approvals_to_keep", id=id))
        self._next_message, self._next_approval = session.row("newest_numbers") or (0, 0)
        self._surplus = {event.cursor for _, event in events}
        self._told = {seq: event for seq, event in reversed(events)}
        # Events are pruned from the oldest on: what stood before the first that is there is not told again.
        self._told_from = min(self._told, default=None) if pruned else -1
        for statement in CLEAR:
            session.put(statement, id=id)
        session.put("delete_spending_of", scope=name)
        session.put("reset_conversation", id=id, channel=Address.of(name).channel)
        super().__init__(session, name, 0.0, {Address.of(name).channel} if delivered else frozenset())

    def take(self, entry: Logged, link: bytes) -> None:
        """Follow one entry."""
        self._now, self._tip = entry.at, link
        self._follow(entry)

    def finish(self, now: float) -> None:
        """Write the conversation's row back, and drop what the feed tells beside the log."""
        self._now = now
        self._wake_at, self._due_since = (None, 0.0) if self._unsettled is None else (0.0, now)
        self._due_changed = self._listed_changed = True
        self.close()
        for cursor in sorted(self._surplus):
            self._session.put("delete_event", cursor=cursor)

    def _insert_message(self, seq: int, status: str, text: str, *, kind: str, asks: int, expires_at: float) -> None:
        """A message as it stands before the entries that tell of it."""
        stored = self._kept_messages.get(seq)
        if stored is None:
            self._next_message += 1
        number = self._next_message if stored is None else stored.number
        sending = NEW if stored is None or status == "received" else stored.sending
        if status != "received" and sending["status"] not in OPEN_STATUSES:
            # What an entry tells comes after this; where none does, the row was wrong, or is lost.
            sending = {**sending, "status": "sent" if self._delivered else "sending", "due_at": 0.0, "reason": ""}
        elif status == "received":
            sending = {**sending, "status": status}
        values = {"kind": kind, "asks": asks, "expires_at": expires_at}
        self._session.put("put_message", number=number, id=self._id, seq=seq, **sending, **values)
        self._session.words.replayed(self._session, self._chat, seq, text if kind == "message" else "")

    def _index_text(self, changed: Edited | Revised | Transcribed, by: int) -> None:
        self._session.put("set_message_edited", id=self._id, seq=changed.message, by=by)
        self._session.words.replayed(self._session, self._chat, changed.message, text_after(changed) or "")

    def _insert_button(self, seq: int, token: str) -> None:
        self._session.put("put_button", id=self._id, seq=seq, token=token)

    def _insert_approval(self, seq: int, approval: str, tool: str) -> None:
        number = self._kept_approvals.get(approval)
        if number is None:
            number = self._next_approval = self._next_approval + 1
        self._session.put("put_approval", number=number, id=self._id, seq=seq, approval=approval, tool=tool)

    def _set_failed(self, e: Failed) -> None:
        """Until when a message waits is kept."""
        if e.retry_at is None:
            super()._set_failed(e)

    def _count_spending(self, logged: Logged) -> None:
        add_spending(self._session, (self.name,), logged)

    def _make_grant(self, grant: Grant) -> None:
        """None is made: it is there, or was revoked since."""

    def _tell(self, logged: Logged, event: Event) -> None:
        stored = self._told.get(logged.seq)
        if stored is None:
            if self._told_from is not None and logged.seq > self._told_from:
                super()._tell(logged, event)
            return
        self._surplus.remove(stored.cursor)
        candidates = (event, event_of(self.name, logged, delivered=not self._delivered))
        if stored.type not in {candidate.type for candidate in candidates if candidate is not None}:
            self._session.put("set_event_type", cursor=stored.cursor, type=event.type)


@contextmanager
def transaction(session: Session) -> Generator[None]:
    """What is done within it is done together, or not at all."""
    session.begin()
    whole = False
    try:
        yield
        whole = True
    finally:
        if whole:
            session.commit()
        else:
            session.roll_back()
