"""One append: the entries, their keys, and the rows that are computed from them. Runs inside a writer's transaction."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

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
    Logged,
    Posted,
    Replied,
    Revised,
    Started,
    Stopped,
    Summarised,
    Withdrawn,
    approval_id,
    key,
    wakes,
)
from bridge_mcp.core.hash_chain import FIRST, link
from bridge_mcp.core.projections import Message, approval_of, event_of, grant_of, message_of, tokens_of
from bridge_mcp.core.state import unsettled_after
from bridge_mcp.stores.sqlite import words
from bridge_mcp.stores.sqlite.grants import keep_grant
from bridge_mcp.stores.sqlite.rows import dump
from bridge_mcp.stores.sqlite.session import Session
from bridge_mcp.stores.sqlite.spending import add_spending

__all__ = ["Append", "Prepared", "prepare"]

SHOWN = 200
"""Characters of the last message that lists show."""


@dataclass(frozen=True, slots=True)
class Prepared:
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
        row = session.row("place", name=name)
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
        found: int | None = self._session.value("keyed", id=self._id, key=key)
        return found

    def add(self, prepared: Prepared) -> Logged | None:
        """Add an entry, with all that follows from it; None, and nothing done, where its key is taken."""
        session, seq = self._session, self.head
        if self._new:
            self._id = session.run("found", name=self.name, channel=self._channel, at=self._now).lastrowid or 0
            self._new = False
        at = self._now
        tip = link(self._tip, self.name, seq, at, prepared.body)
        values = {"id": self._id, "seq": seq, "at": at, "key": prepared.key, "body": prepared.body, "link": tip}
        if not session.run("append", **values).rowcount:
            return None
        self.head, self._at, self._tip = seq + 1, at, tip
        logged = Logged(seq, at, prepared.entry)
        if wakes(prepared.entry):
            self.woken = seq
        self._unsettled = unsettled_after(self._unsettled, self._heard, logged)
        match prepared.entry:
            case Heard(to="assistant", answers=None):
                self._heard = seq
            case Cleared():
                self._cleared = seq
            case _:
                pass
        self._follow(logged)
        self._project(logged)
        return logged

    def due(self, wake: float | None) -> None:
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
            "responder": self._responder,
            "messages": self._messages,
            "last_at": self._last_at,
            "last_text": self._last_text,
        }
        match self._due_changed, self._listed_changed:
            case False, False:
                self._session.run("advance", **place)
            case True, False:
                self._session.run("advance_due", **place, **due)
            case False, True:
                self._session.run("advance_listed", **place, **listed)
            case _:
                self._session.run("advance_both", **place, **due, **listed)

    def _follow(self, logged: Logged) -> None:
        """What an entry changes in rows that are there already."""
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
            case Failed(effect="deliver", retry_at=None) as e:
                self._settle(e.ref, "failed", e.reason, None)
            case Delivered() as e:
                if e.of is not None:
                    self._restand(e.of, e.platform_ids)
                self._settle(e.message, e.status, "", e.platform_ids)
            case Judged() as e:
                self._judge(logged, e)
            case Heard(answers=int() as asked):
                self._session.run("answered", id=self._id, seq=asked, by=logged.seq)
            case Edited() | Revised() as e:
                self._reword(logged, e)
            case Configured() as e:
                self._responder = e.responder
                self._listed_changed = True
            case _:
                pass

    def _reword(self, logged: Logged, changed: Edited | Revised) -> None:
        """A message has another text. A model call that had read it, and is to answer it, is void."""
        if isinstance(changed, Edited) and changed.to == "assistant" and (self.calling or 0) > changed.message:
            self.calling = None
        with words.reworded(self._session, self._id, changed.message):
            self._session.run("edited", id=self._id, seq=changed.message, by=logged.seq)

    def _judge(self, logged: Logged, verdict: Judged) -> None:
        """Close the approval; a verdict that is remembered makes its grant, which may free what waits elsewhere."""
        approval = approval_id(self.name, verdict.call)
        self._session.run("judge_approval", approval=approval, seq=logged.seq, status=verdict.verdict)
        if verdict.remember == "once":
            return
        tool = self._session.value("approved_tool", approval=approval)
        grant = None if tool is None else grant_of(self.name, logged, tool)
        if grant is not None:
            keep_grant(self._session, grant)
            self._session.run("wake_waiting", tool=tool, now=self._now)
            self._granted = True

    def _settle(self, seq: int, status: str, reason: str, platform_ids: tuple[str, ...] | None) -> None:
        """Note how a message ended; None for its platform ids: those of the parts that went out stay."""
        ids = None if platform_ids is None else dump(platform_ids)
        settled = self._session.run(
            "settle_message", id=self._id, seq=seq, status=status, reason=reason, platform_ids=ids
        )
        if settled.rowcount:
            for platform_id in filter(None, platform_ids or ()):
                self._session.run("add_platform_id", id=self._id, platform_id=platform_id, seq=seq)

    def _restand(self, seq: int, platform_ids: tuple[str, ...]) -> None:
        """A message that was edited stands in these parts now."""
        self._session.run("restand", id=self._id, seq=seq, platform_ids=dump(platform_ids))
        for platform_id in filter(None, platform_ids):
            self._session.run("add_platform_id", id=self._id, platform_id=platform_id, seq=seq)

    def _project(self, logged: Logged) -> None:
        """The rows that tell of this entry alone."""
        message = message_of(self.name, logged, status="sent" if self._delivered else "queued")
        if message is not None:
            self._add_message(logged, message)
        approval = approval_of(self.name, logged)
        if approval is not None:
            self._session.run("add_approval", approval=approval.id, id=self._id, tool=approval.tool, seq=logged.seq)
        add_spending(self._session, self.name, logged)
        event = event_of(self.name, logged, delivered=self._delivered)
        if event is not None:
            self._session.run("tell", type=event.type, conversation=self.name, seq=logged.seq)

    def _add_message(self, logged: Logged, message: Message) -> None:
        question = logged.entry.question if isinstance(logged.entry, Posted) else None
        place = {"id": self._id, "seq": logged.seq}
        asked = {"asks": int(question is not None), "expires_at": question.expires_at if question else 0.0}
        added = self._session.run("add_message", **place, **asked, status=message.status, kind=message.kind)
        for token in tokens_of(logged.entry):
            self._session.run("add_button", **place, token=token)
        words.index_now_and_then(self._session, added.lastrowid or 0)
        if message.kind != "message":
            return
        self._messages += 1
        self._last_at, self._last_text = logged.at, message.text[:SHOWN]
        self._title = title_after(self._title, logged.entry)
        self._listed_changed = True


def title_after(title: str, entry: Entry) -> str:
    """What lists call a conversation: what the platform calls the chat, else whoever wrote first."""
    if not isinstance(entry, Heard):
        return title
    return entry.title or title or (entry.sender.name if entry.sender.kind == "person" else "")
