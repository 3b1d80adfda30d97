"""One append: the entries, their keys, and the rows that are computed from them. Runs inside a writer's transaction."""

from __future__ import annotations

from collections.abc import Set
from os import urandom

from msgspec import Struct

from bridge_mcp.core.address import Address
from bridge_mcp.core.codec import encode
from bridge_mcp.core.entries import (
    Cleared,
    Configured,
    Delivered,
    Edited,
    Entry,
    Failed,
    Heard,
    Judged,
    Lapsed,
    Logged,
    Posted,
    Replied,
    Revised,
    Started,
    Stopped,
    Summarised,
    Transcribed,
    Withdrawn,
    approval_id,
    key,
    wakes,
)
from bridge_mcp.core.events import Event, event_of
from bridge_mcp.core.forgetting import redact_entry, subject_of
from bridge_mcp.core.grants import Grant
from bridge_mcp.core.hash_chain import FIRST, SALT_BYTES, content_digest, link
from bridge_mcp.core.projections import Message, approval_of, button_tokens, grant_of, message_of, text_after
from bridge_mcp.core.spending import scopes
from bridge_mcp.core.state import unsettled_after
from bridge_mcp.stores.sql.grants import keep_grant
from bridge_mcp.stores.sql.rows import dump
from bridge_mcp.stores.sql.session import Chat, Session
from bridge_mcp.stores.sql.spending import add_spending

__all__ = ["Append", "Prepared", "prepare"]

LAST_TEXT_CHARS = 200
"""Characters of the last message that lists show."""


class Prepared(Struct, frozen=True):
    """An entry with what the log keeps of it."""

    entry: Entry
    key: str | None
    body: str


def prepare(entry: Entry) -> Prepared:
    """Done by the caller, so that an entry which cannot be written fails before it reaches the writer."""
    return Prepared(entry, key(entry), encode(entry))


class Append:
    """Adds entries to one conversation; `close` writes its row back. `now` is the store's time."""

    def __init__(self, session: Session, name: str, now: float, delivered_by_commit: Set[str]) -> None:
        self._session = session
        self.name = name
        channel = Address.of(name).channel
        self._delivered = channel in delivered_by_commit
        row = session.row("conversation_row_to_write", name=name)
        self._new = row is None
        self._channel = channel
        self._now = now
        self._id: int
        self.calling: int | None
        self._unsettled: int | None
        self._wake_at: float | None
        self._responder: str | None
        (
            self._id,
            self.head,
            self._at,
            self.calling,
            self.woken,
            self._wake_at,
            self._due_since,
            self._title,
            self._responder,
            self._messages,
            self._last_at,
            self._last_text,
            self._tip,
            self._unsettled,
            self._heard,
            self._cleared,
        ) = row or (0, 0, 0.0, None, -1, None, 0.0, "", None, 0, now, "", FIRST, None, -1, -1)
        self._due_changed = self._listed_changed = self._granted = False

    def seq_of(self, key: str | None) -> int | None:
        """Where the entry with this key stands; None if there is none."""
        return None if key is None else self._session.seq_of_key(self.name, self._id, key)

    def add(self, prepared: Prepared) -> Logged | None:
        """Add an entry, with all that follows from it; None, and nothing done, where its key is taken."""
        session, seq = self._session, self.head
        if self._new:
            begun = {"name": self.name, "channel": self._channel, "at": self._now, "folded": self._folded}
            self._id = session.insert("insert_conversation", **begun)
            self._new = False
        if (subject := subject_of(prepared.entry)) is not None:
            prepared = self._as_told_late(prepared, subject)
        at, salt = self._now, urandom(SALT_BYTES)
        tip = link(self._tip, self.name, seq, at, content_digest(salt, prepared.body))
        entry = {"id": self._id, "at": at, "body": prepared.body, "link": tip, "salt": salt}
        if not session.add_entry(self.name, prepared.key, seq, **entry):
            return None
        self._tip = tip
        logged = Logged(seq, at, prepared.entry)
        self._follow(logged)
        return logged

    def _as_told_late(self, prepared: Prepared, subject: int) -> Prepared:
        """What is told of an entry that was forgotten meanwhile comes without its content."""
        if self._session.is_forgotten(self._id, subject):
            return prepare(redact_entry(prepared.entry, self.head))
        return prepared

    def set_wake(self, wake: float | None) -> None:
        """Set when there is something to do next. What is due already keeps its place in the line."""
        wake = 0.0 if self._granted else None if wake is None else max(0.0, wake)
        if wake != self._wake_at:
            self._wake_at = wake
            self._due_since = self._now
            self._due_changed = True

    def close(self) -> None:
        """Write the conversation's row back."""
        place = {"id": self._id, "head": self.head, "at": self._at, "tip": self._tip}
        place |= {"calling": self.calling, "woken": self.woken, "unsettled": self._unsettled, "heard": self._heard}
        place["cleared"] = self._cleared
        due = {"wake_at": self._wake_at, "due_since": self._due_since}
        listed = {
            "title": self._title,
            "folded": self._folded,
            "responder": self._responder,
            "messages": self._messages,
            "last_at": self._last_at,
            "last_text": self._last_text,
        }
        match self._due_changed, self._listed_changed:
            case False, False:
                self._session.put("update_conversation", **place)
            case True, False:
                self._session.put("update_conversation_due", **place, **due)
            case False, True:
                self._session.put("update_conversation_listed", **place, **listed)
            case _:
                self._session.put("update_conversation_due_and_listed", **place, **due, **listed)

    def _follow(self, logged: Logged) -> None:
        """Bring everything beside the log to where this entry leaves it."""
        self.head, self._at = logged.seq + 1, logged.at
        if wakes(logged.entry):
            self.woken = logged.seq
        self._unsettled = unsettled_after(self._unsettled, self._heard, logged)
        match logged.entry:
            case Heard(to="assistant", answers=None):
                self._heard = logged.seq
            case Cleared():
                self._cleared = logged.seq
            case _:
                pass
        self._update_earlier_rows(logged)
        self._insert_rows(logged)

    def _update_earlier_rows(self, logged: Logged) -> None:
        """Update the rows of earlier entries that this one changes."""
        match logged.entry:
            case Started(effect="model" | "summary"):
                self.calling = logged.seq
            case Replied() | Stopped() | Cleared():
                self.calling = None
            case Withdrawn(message=message) | Heard(to="assistant", answers=None, continues=int() as message) if (
                self.calling is not None and self.calling > message
            ):
                self.calling = None
            case Summarised(ref=ref) | Failed(effect="model" | "summary", ref=ref):
                self.calling = None if self.calling == ref else self.calling
            case Failed(effect="deliver") as e:
                self._set_failed(e)
            case Delivered() as e:
                if e.of is not None:
                    self._set_platform_ids(e.of, e.platform_ids)
                self._set_outcome(e.message, e.status, "", e.platform_ids)
            case Judged() as e:
                self._set_verdict(logged, e)
            case Heard(answers=int() as asked) | Lapsed(message=asked):
                answered = None if isinstance(logged.entry, Lapsed) else logged.seq
                self._session.put("set_question_over", id=self._id, seq=asked, by=answered)
            case Edited() | Revised() | Transcribed() as e:
                self._set_text(logged, e)
            case Configured() as e:
                self._responder = e.responder
                self._listed_changed = True
            case _:
                pass

    def _set_text(self, logged: Logged, changed: Edited | Revised | Transcribed) -> None:
        """A message has another text. A model call that had read it, and is to answer it, is void."""
        if isinstance(changed, Edited) and changed.to == "assistant" and (self.calling or 0) > changed.message:
            self.calling = None
        self._index_text(changed, logged.seq)

    def _set_verdict(self, logged: Logged, verdict: Judged) -> None:
        """Close the approval. A verdict that is remembered makes a grant, which may free what waits elsewhere."""
        approval = approval_id(self.name, verdict.call)
        self._session.put("set_approval_verdict", approval=approval, seq=logged.seq, status=verdict.verdict)
        if verdict.remember == "once":
            return
        tool = self._session.value("tool_of_approval", approval=approval)
        grant = None if tool is None else grant_of(self.name, logged, tool)
        if grant is not None:
            self._make_grant(grant)

    def _set_outcome(self, seq: int, status: str, reason: str, platform_ids: tuple[str, ...] | None) -> None:
        """Set how sending a message ended. `platform_ids` None: those of the parts that went out stay."""
        ids = None if platform_ids is None else dump(platform_ids)
        outcome = {"status": status, "reason": reason, "platform_ids": ids}
        self._session.put("set_message_outcome", id=self._id, seq=seq, **outcome)
        for platform_id in filter(None, platform_ids or ()):
            self._session.put("insert_platform_id", id=self._id, platform_id=platform_id, seq=seq)

    def _set_platform_ids(self, seq: int, platform_ids: tuple[str, ...]) -> None:
        """Set the platform ids of a message whose parts an edit has changed."""
        self._session.put("set_message_platform_ids", id=self._id, seq=seq, platform_ids=dump(platform_ids))
        for platform_id in filter(None, platform_ids):
            self._session.put("insert_platform_id", id=self._id, platform_id=platform_id, seq=seq)

    def _insert_rows(self, logged: Logged) -> None:
        """Insert the rows of the entry itself."""
        message = message_of(self.name, logged, status="sent" if self._delivered else "queued")
        if message is not None:
            self._add_message(logged, message)
        approval = approval_of(self.name, logged)
        if approval is not None:
            self._insert_approval(logged.seq, approval.id, approval.tool)
        self._count_spending(logged)
        event = event_of(self.name, logged, delivered=self._delivered)
        if event is not None:
            self._tell(logged, event)

    def _add_message(self, logged: Logged, message: Message) -> None:
        question = logged.entry.question if isinstance(logged.entry, Posted) else None
        asks, expires_at = (0, 0.0) if question is None else (1, question.expires_at)
        self._insert_message(
            logged.seq, message.status, message.text, kind=message.kind, asks=asks, expires_at=expires_at
        )
        for token in button_tokens(logged.entry):
            self._insert_button(logged.seq, token)
        if message.kind != "message":
            return
        self._messages += 1
        self._last_at, self._last_text = logged.at, message.text[:LAST_TEXT_CHARS]
        self._title = title_after(self._title, logged.entry)
        self._listed_changed = True

    @property
    def _folded(self) -> str:
        """What lists are searched by, where the database cannot fold as Python does."""
        return f"{self.name}\n{self._title}".casefold()

    @property
    def _chat(self) -> Chat:
        return Chat(self._id, self._channel)

    # -- the rows themselves: `rebuild` writes them in another way ---------------------------------------------

    def _insert_message(self, seq: int, status: str, text: str, *, kind: str, asks: int, expires_at: float) -> None:
        values = {"status": status, "kind": kind, "asks": asks, "expires_at": expires_at}
        text = text if kind == "message" else ""
        self._session.words.insert_message(self._session, self._chat, text, id=self._id, seq=seq, **values)

    def _index_text(self, changed: Edited | Revised | Transcribed, by: int) -> None:
        with self._session.words.changing(self._session, self._chat, changed.message, text_after(changed) or ""):
            self._session.put("set_message_edited", id=self._id, seq=changed.message, by=by)

    def _insert_button(self, seq: int, token: str) -> None:
        self._session.put("insert_button", id=self._id, seq=seq, token=token)

    def _insert_approval(self, seq: int, approval: str, tool: str) -> None:
        self._session.put("insert_approval", approval=approval, id=self._id, tool=tool, seq=seq)

    def _set_failed(self, e: Failed) -> None:
        """A message did not go out: it ends so, or waits for its next try."""
        if e.retry_at is None:
            self._set_outcome(e.ref, "failed", e.reason, None)
        else:
            self._session.put("postpone_message", name=self.name, seq=e.ref, until=e.retry_at, reason=e.reason)

    def _count_spending(self, logged: Logged) -> None:
        add_spending(self._session, scopes(self.name), logged)

    def _make_grant(self, grant: Grant) -> None:
        keep_grant(self._session, grant)
        self._session.put("wake_conversations_waiting_for", tool=grant.tool, now=self._now)
        self._granted = True

    def _tell(self, logged: Logged, event: Event) -> None:
        self._session.tell(event.type, self.name, seq=logged.seq)


def title_after(title: str, entry: Entry) -> str:
    """What lists call a conversation: what the platform calls the chat, else whoever wrote first."""
    if not isinstance(entry, Heard):
        return title
    return entry.title or title or (entry.sender.name if entry.sender.kind == "person" else "")
