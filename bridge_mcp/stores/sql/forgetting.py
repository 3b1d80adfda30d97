"""Forgets for good (`Forgetting`); `core/forgetting.py` has the design.

In a database content outlives its rows. What it takes to have it gone from the disk too is the adapter's: it gives a
`Compaction`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set

from msgspec import Struct

from bridge_mcp.core.address import Address
from bridge_mcp.core.codec import encode
from bridge_mcp.core.entries import CALLS, Asked, Entry, Forgot, Heard, approval_id, key
from bridge_mcp.core.errors import NotFound
from bridge_mcp.core.forgetting import files_of, redact_entry, seq_spans, without_quote
from bridge_mcp.core.hash_chain import content_digest, digest_left
from bridge_mcp.ports import KEPT, Clock, Forgotten, ToForget, Why
from bridge_mcp.stores.sql.appends import Append, prepare
from bridge_mcp.stores.sql.feed import cursor_span
from bridge_mcp.stores.sql.replay import Replay, Told
from bridge_mcp.stores.sql.rows import dump, logged
from bridge_mcp.stores.sql.session import Chat, Reads, Session
from bridge_mcp.stores.sql.writer import Writer

__all__ = ["Compaction", "SqlForgetting"]

PAGE = 1000

FILE = re.compile(rf"{KEPT}[0-9a-f]{{64}}")

BESIDE = (
    *("delete_claim_on", "delete_undelivered_of", "delete_grants_in", "delete_held_grants_in"),
    "delete_grant_events_in",
)
"""The statements about one conversation."""
PAIRING_OF_PERSON = (
    *("delete_pairing", "delete_held_pairing", "delete_pairing_requests", "delete_first_messages_of"),
    "delete_pairing_events",
)
OF_PERSON = (
    *("delete_grants_by", "delete_held_grants_by", "clear_pairings_by", "clear_clients_by"),
    *("clear_held_pairings_by", "clear_held_clients_by", "delete_grant_events_by"),
)
"""The statements about what somebody has done."""


class Compaction(Struct, frozen=True):
    """What removes from the disk what was forgotten. Both run in a thread, and tell whether they could."""

    rewrite: Callable[[], bool]
    """Writes all that is kept anew."""
    settle: Callable[[], bool]
    """Has the database's log of changes hold nothing that is older."""


class SqlForgetting:
    """See `ports.Forgetting`."""

    def __init__(self, compaction: Compaction, reads: Reads, writer: Writer, clock: Clock, delivered: Set[str]) -> None:
        self._compaction = compaction
        self._reads = reads
        self._writer = writer
        self._clock = clock
        self._delivered = delivered

    async def note(self, *wanted: ToForget) -> None:
        """See `ports.Forgetting`."""

        def operation(session: Session) -> None:
            for request in wanted:
                session.put("add_to_forget", **request._asdict())

        await self._writer.execute(operation)

    async def noted(self) -> tuple[ToForget, ...]:
        """In the order in which they were noted."""
        return tuple([ToForget(*row) for row in await self._reads.rows("to_forget")])

    async def done(self, *wanted: ToForget) -> None:
        """See `ports.Forgetting`."""

        def operation(session: Session) -> None:
            for request in wanted:
                session.put("done_forgetting", kind=request.kind, subject=request.subject)
            session.put("add_to_forget", kind="compact", subject="", by="")

        await self._writer.execute(operation)

    async def entries(
        self, conversation: str, seqs: Collection[int] | None, quoting: Collection[int] = (), *, by: str, why: Why
    ) -> Forgotten:
        """See `ports.Forgetting`; one transaction, as long as the conversation."""
        now, heads = self._clock.now(), {conversation: 0}

        def operation(session: Session) -> Forgotten:
            emptying = Emptying(session, conversation, now, self._delivered)
            result = emptying.run(seqs, quoting, by, why)
            heads[conversation] = emptying.head
            return result

        return await self._writer.execute(operation, heads)

    async def beside(self, conversation: str) -> None:
        """See `ports.Forgetting`."""
        channel, chat, _ = Address.of(conversation)
        target = Address.of(conversation).target

        def operation(session: Session) -> None:
            session.put("delete_own_events_of", name=conversation)
            for statement in BESIDE:
                session.put(statement, conversation=conversation)
            below, beyond = f"{target}/", f"{target}0"
            session.put("delete_topic_titles_of", channel=channel, chat=target, below=below, beyond=beyond)
            for statement in ("clear_pairing_name", "clear_held_pairing_name"):
                session.put(statement, channel=channel, subject=chat)
            session.put("delete_first_messages_of", channel=channel, subject=chat)

        await self._writer.execute(operation, None)

    async def person(self, channel: str, subject: str, principal: str) -> None:
        """See `ports.Forgetting`."""
        who = {"channel": channel, "subject": subject}

        def operation(session: Session) -> None:
            for statement in PAIRING_OF_PERSON:
                session.put(statement, **who)
            for statement in (*OF_PERSON, "clear_accepted_tools_by"):
                session.put(statement, by=principal)

        await self._writer.execute(operation, None)

    async def conversations_with(self, channel: str, subject: str) -> tuple[str, ...]:
        """Reads all logs, in a thread."""
        name = dump(f"{channel}:{subject}")[1:-1]
        ends = [(before, after) for before in ('"', ", ") for after in ('"', ", ")]  # a quorum's verdict names several
        needles = [(channel, f'"id":{dump(subject)}'), *(("", f"{before}{name}{after}") for before, after in ends)]
        names = [
            await self._reads.long(
                lambda session, within=within, needle=needle: session.rows(
                    "conversations_with", channel=within, needle=needle
                )
            )
            for within, needle in needles
        ]
        return tuple(dict.fromkeys(name for rows in names for (name,) in rows))

    async def reminders_for(self, conversation: str) -> tuple[str, ...]:
        """See `ports.Forgetting`."""
        within = {"first": f"{CALLS}/bridge.", "end": f"{CALLS}/bridge/"}
        rows = await self._reads.long(
            lambda session: session.rows("reminders_for", **within, conversation=conversation)
        )
        return tuple([name for (name,) in rows])

    async def prompts_of(self, approvals: Sequence[str]) -> Mapping[str, tuple[int, ...]]:
        """Reads all keys, in a thread."""

        def read(session: Session) -> dict[str, tuple[int, ...]]:
            result: dict[str, tuple[int, ...]] = {}
            for approval in approvals:
                for name, seq in session.rows("entries_with_key_of", approval=approval):
                    result[name] = (*result.get(name, ()), seq)
            return result

        return await self._reads.long(read) if approvals else {}

    async def older_than(self, channel: str, at: float, limit: int) -> Mapping[str, int]:
        """See `ports.Forgetting`; in a thread."""

        def read(session: Session) -> dict[str, int]:
            result: dict[str, int] = {}
            for (name,) in session.rows("conversations_of_channel_before", channel=channel, at=at):
                first = session.value("first_remembered", name=name)
                last = session.value("last_entry_before", name=name, at=at)
                if first is not None and last is not None and first <= last:
                    result[name] = last
                if len(result) >= limit:
                    break
            return result

        return await self._reads.long(read)

    async def unused(self) -> tuple[str, ...]:
        """Reads all entries with files, in a thread."""
        noted = [request for request in await self.noted() if request.kind == "file"]
        if not noted:
            return ()
        used = await self._reads.long(lambda session: used_files(session, {request.subject for request in noted}))
        if in_use := [request for request in noted if request.subject in used]:
            await self.done(*in_use)
        return tuple([request.subject for request in noted if request.subject not in used])

    async def compact(self) -> bool:
        """See `ports.Forgetting`; on a connection and a thread of its own."""
        whole = await asyncio.to_thread(self._compaction.rewrite)
        if whole:
            await self._writer.execute(lambda session: session.put("done_forgetting", kind="compact", subject=""))
            whole = await asyncio.to_thread(self._compaction.settle)
        return whole


class Emptying:
    """Empties entries of one conversation, within a writer's transaction."""

    def __init__(self, session: Session, name: str, now: float, delivered: Set[str]) -> None:
        row = session.row("conversation_head_to_write", name=name)
        if row is None:
            raise NotFound(f"There is no conversation '{name}'.", fix="See bridge-mcp status.")
        self._session, self._name, self._now, self._delivered = session, name, now, delivered
        self._id, self.head = row
        self._approvals: list[str] = []
        self._files: set[str] = set()

    def run(self, seqs: Collection[int] | None, quoting: Collection[int], by: str, why: Why) -> Forgotten:
        """Empty them; see `ports.Forgetting.entries`."""
        emptied = dict(self._emptied(seqs, quoting))
        if not emptied:
            return Forgotten()
        session, id = self._session, self._id
        texts = [seq for (seq,) in session.rows("messages_with_text_of", id=id, seqs=dump(sorted(emptied)))]
        with session.words.emptying(session, Chat(id, Address.of(self._name).channel), texts):
            for seq, (entry, digest) in emptied.items():
                session.put("forget_entry", id=id, seq=seq, key=key(entry), body=encode(entry), digest=digest)
            self._replay()
        append = Append(session, self._name, self._now, self._delivered)
        append.add(prepare(Forgot(by, seq_spans(emptied), why, left=digest_left(self._left()))))
        append.close()
        self.head = append.head
        for ref in sorted(self._files):
            session.put("add_to_forget", kind="file", subject=ref, by="")
        return Forgotten(len(emptied), tuple(self._approvals))

    def _emptied(
        self, seqs: Collection[int] | None, quoting: Collection[int]
    ) -> Iterable[tuple[int, tuple[Entry, bytes]]]:
        """The entries as they are to stand, each with the digest of what it was."""
        after = -1
        while rows := self._session.rows("entries_to_forget", id=self._id, after=after, limit=PAGE):
            for seq, at, body, salt, digest in rows:
                whole = seqs is None or seq in seqs
                if not whole and seq not in quoting:
                    continue
                before = logged(self._name, seq, at, body).entry
                new = (
                    redact_entry(before, seq)
                    if whole
                    else without_quote(before)
                    if isinstance(before, Heard)
                    else before
                )
                if isinstance(before, Asked):
                    self._approvals.append(approval_id(self._name, before.call))
                if isinstance(before, Forgot) or (digest is not None and new == before):
                    continue
                self._files |= {file.ref for file in files_of(before) if FILE.fullmatch(file.ref)}
                digest_kept = digest if digest is not None else b"" if salt is None else content_digest(salt, body)
                yield seq, (new, digest_kept)
            after = rows[-1][0]

    def _left(self) -> Iterable[tuple[int, str]]:
        """What is left of all entries that are forgotten by now, in the order of the log."""
        after = -1
        while rows := self._session.rows("entries_to_forget", id=self._id, after=after, limit=PAGE):
            yield from ((seq, body) for seq, _, body, _, digest in rows if digest is not None)
            after = rows[-1][0]

    def _replay(self) -> None:
        """Compute the rows of the conversation anew, from the entries as they are now."""
        session = self._session
        events_told = [
            (seq, Told(cursor, type)) for cursor, seq, type in session.rows("events_of_conversation", name=self._name)
        ]
        delivered = Address.of(self._name).channel in self._delivered
        replay = Replay(session, self._id, self._name, delivered, events_told, pruned=cursor_span(session)[1] > 1)
        after = -1
        while page := session.rows("entries_page", id=self._id, after=after, limit=PAGE):
            for seq, at, _, body, link in page:
                replay.take(logged(self._name, seq, at, body), link)
            after = page[-1][0]
        replay.finish(self._now)


def used_files(session: Session, references: Set[str]) -> Set[str]:
    """Which of these references stand in any entry."""
    used, place = set[str](), (0, -1)
    while rows := session.rows("bodies_with_files", after=place[0], seq=place[1], limit=PAGE):
        for conversation, seq, body in rows:
            used |= references & set(FILE.findall(body))
            place = (conversation, seq)
    for (body,) in session.rows("first_messages_heard"):
        used |= references & set(FILE.findall(body))
    return used
