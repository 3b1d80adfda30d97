"""A connection with the named statements of `sql/`: those whose outcome nobody needs go out together (pipelining)."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from bridge_mcp.core.errors import BadInput, StoreError, StoreLost
from bridge_mcp.stores.postgres.ahead import Ahead, columns
from bridge_mcp.stores.postgres.batch import KINDS, Batch, Sent
from bridge_mcp.stores.postgres.connecting import BY_KEYS, CONNECT_S, READ_ONLY, Database, cut, is_lost
from bridge_mcp.stores.postgres.errors import ConnectionLost, Refused, store_error
from bridge_mcp.stores.postgres.notices import CHANNEL, Events, payload
from bridge_mcp.stores.postgres.statements import statements
from bridge_mcp.stores.postgres.words import WORDS, PostgresWords
from bridge_mcp.stores.sql.session import CommitUnknown, Row

__all__ = ["Session"]

logger = logging.getLogger(__name__)

IDS = 64
"""Numbers of conversations that are taken from the sequence at once; those that are not used are missing."""


class Session:
    """See `stores.sql.session.Session`. Connects when it is first used, and again when its connection is gone.

    Events are kept until the commit and written last: see `sql/feed.sql`.
    """

    def __init__(self, database: Database, version: int, *, reading: bool, answer_s: float | None = None) -> None:
        """`answer_s`: see `Database.connect`."""
        self._answer_s = answer_s
        self._database = database
        self._version = version
        self._reading = reading
        self._connection: psycopg.Connection[Any] | None = None
        self._pipelining: AbstractContextManager[psycopg.Pipeline] | None = None
        self._pipeline: psycopg.Pipeline | None = None
        self._ahead = Ahead()
        self._ids: list[int] = []
        self._events, self._batch = Events(), Batch()
        self._transaction = self._began = ""
        self._mark: dict[str, object] | None = None
        """The newest entry of the transaction; its salt is like no other."""
        self.committed = deque[int](maxlen=10_000)
        """The numbers of its commits, for whoever takes them out; below zero, of one that was lost on the way."""
        self.changes = 0
        self.waits_since: float | None = None
        """Since when it waits for Postgres (monotonic)."""
        self.fences: Mapping[str, int] | None = None
        """The fencing numbers of the leases that this process holds, by name; None: it holds none, and needs none."""
        self._given_up = False

    @property
    def place(self) -> str:
        """The URL without its password."""
        return self._database.place

    @property
    def words(self) -> PostgresWords:
        """The full-text index."""
        return WORDS

    # -- statements ---------------------------------------------------------------------------------------------

    def rows(self, statement: str, /, **values: object) -> list[Row]:
        """All rows of a named statement."""
        if statement == "conversation_row_to_write":
            name = str(values["name"])
            return self._ahead.row(name, lambda: self.rows("conversation_rows_to_write", names=[name]))
        cursor = self._send(statement, values)
        try:
            return cursor.fetchall()
        except psycopg.Error as exc:
            raise self._failed(exc) from exc

    def row(self, statement: str, /, **values: object) -> Row | None:
        """The only row; None where there is none."""
        found = self.rows(statement, **values)
        return found[0] if found else None

    def value(self, statement: str, /, **values: object) -> Any:
        """The first column of the only row; None where there is none."""
        found = self.rows(statement, **values)
        return found[0][0] if found else None

    def run(self, statement: str, /, **values: object) -> int:
        """Run a statement that writes; how many rows it has written."""
        self.changes += 1
        cursor = self._send(statement, values)
        self._sync()
        return cursor.rowcount

    def put(self, statement: str, /, **values: object) -> None:
        """Send a statement that writes."""
        self.changes += 1
        self._ahead.changed(statement)
        self._send_all(self._batch.add(statement, values) if statement in KINDS else [(statement, values)])

    def insert(self, statement: str, /, **values: object) -> int:
        """Insert a row; its id, 0 where nothing was inserted."""
        self.changes += 1
        if statement == "insert_conversation":
            # What another process has begun at the same time breaks the transaction, which is tried again.
            self.put("insert_conversation_as", **values, id=(number := self._next_id()))
            return number
        cursor = self._send(statement, values)
        try:
            found = cursor.fetchone()
        except psycopg.Error as exc:
            raise self._failed(exc) from exc
        return 0 if found is None else int(found[0])

    def add_entry(self, name: str, key: str | None, seq: int, **values: object) -> bool:
        """Add an entry, unless its key is taken: that is known ahead where it was asked for."""
        values |= {"key": key, "seq": seq}
        free = self._ahead.is_free(name, key)
        if free is None:
            free = self.run("insert_entry", **values) > 0
        elif free:
            self.put("insert_entry_with_free_key", **values)
        if free:
            self._ahead.added(name, key, seq)
            self._mark = {"id": values["id"], "seq": seq, "salt": values["salt"]}
        return free

    def seq_of_key(self, name: str, id: int, key: str) -> int | None:
        """Where the entry with a key stands."""
        return self._ahead.seq_of(name, key, lambda: self.value("seq_of_key", id=id, key=key))

    def is_forgotten(self, id: int, seq: int) -> bool:
        """Whether an entry's content is gone."""
        return self._ahead.forgets(id) and bool(self.value("is_forgotten", id=id, seq=seq))

    def tell(
        self, type: str, conversation: str, *, seq: int | None = None, at: float | None = None, body: str = ""
    ) -> None:
        """Add an event to the feed with this commit."""
        self.changes += 1
        self._events.add(type, conversation, seq=seq, at=at, body=body if seq is None else None)

    def alone(self, what: str) -> None:
        """Until the commit no other transaction goes on that asks for the same."""
        self._send("lock_for", {"what": what})

    def hold_channel(self, channel: str) -> None:
        """Keep the lease of a channel from changing hands until the commit, where this process works by leases.

        A process that was stopped and goes on finds another number in the lease's row than that it was given.

        Raises:
            StoreError: another process has it by now, or this one has lost it.
        """
        if self.fences is None:
            return
        name = f"channel:{channel}"
        if self.value("lease_fence", name=name) != self.fences.get(name, 0):
            raise StoreError(
                f"Another process receives from {channel} now: what this one would store is not stored.",
                fix="Nothing needs to be done: the other one goes on.",
            )

    def _send_all(self, statements: list[Sent]) -> None:
        for statement, values in statements:
            self._send(statement, values)

    def _send(self, statement: str, values: dict[str, object]) -> psycopg.Cursor[Any]:
        if self._batch:
            self._send_all(self._batch.take())
        connection = self._connected()
        try:
            return connection.execute(statements()[statement], values)
        except psycopg.Error as exc:
            raise self._failed(exc) from exc
        except (OverflowError, UnicodeEncodeError) as exc:
            raise BadInput(
                f"A value cannot be stored: {exc}.", fix="Use text of whole characters, 64-bit numbers."
            ) from exc

    def _next_id(self) -> int:
        """A number for a new conversation."""
        if not self._ids:
            self._ids = [number for (number,) in self.rows("new_conversation_ids", count=IDS)][::-1]
        return self._ids.pop()

    def _sync(self) -> None:
        """Wait until all that was sent has its outcome."""
        if self._pipeline is None:
            return
        try:
            self._pipeline.sync()
        except psycopg.Error as exc:
            raise self._failed(exc) from exc

    def _failed(self, exc: Exception) -> StoreError | BadInput:
        lost = self._connection is not None and is_lost(self._connection, exc)
        return store_error(self.place, exc, lost=lost)

    # -- transactions -------------------------------------------------------------------------------------------

    @contextmanager
    def snapshot(self) -> Generator[None]:
        """Several reads of one and the same state."""
        self._command("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            connection = self._connection
            if connection is not None and not is_lost(connection):
                self._command("COMMIT")  # after a ROLLBACK psycopg prepares every statement anew

    def begin(self, conversations: Sequence[str] = (), keys: Sequence[tuple[str, str]] = ()) -> None:
        """Begin to write; the rows of these conversations are read and locked, and these keys looked up, at once.

        Raises:
            StoreError: Postgres could not be reached for `CONNECT_S`.
            StoreLost: another process has migrated the store.
        """
        self._forget()
        until = time.monotonic() + CONNECT_S
        while True:
            try:
                return self._begin(conversations, keys)
            except ConnectionLost as lost:
                self.roll_back()
                if isinstance(lost, Refused) or time.monotonic() > until or self._given_up:
                    # Not `ConnectionLost`: it was tried for long enough.
                    raise StoreError(str(lost).removesuffix(lost.fix).strip(), fix=lost.fix) from lost
            except (StoreError, BadInput):
                self.roll_back()
                raise

    def _begin(self, conversations: Sequence[str], keys: Sequence[tuple[str, str]]) -> None:
        connection = self._connected()
        if self._pipelining is None:
            self._pipelining = connection.pipeline()
            try:
                self._pipeline = self._pipelining.__enter__()
            except psycopg.Error as exc:
                self._pipelining = None
                raise self._failed(exc) from exc
        self._command("BEGIN")
        if self._database.shares_sessions:
            self._send("set_for_transaction", {})
        begun = self._send("begun", {})
        rows = self._send("conversation_rows_to_write", {"names": list(conversations)}) if conversations else None
        names, wanted = columns(keys)
        taken = self._send("seqs_of_keys", {"names": names, "keys": wanted}) if keys else None
        self._sync()  # a connection that is gone is noticed here, and not in the middle
        self._ahead.take(conversations, rows.fetchall() if rows else (), keys, taken.fetchall() if taken else ())
        found = begun.fetchone()
        assert found is not None
        if found[1] != self._version:
            raise StoreLost(
                f"The store {self.place} was brought to schema version {found[1]} by another bridge_mcp while this "
                f"one, which knows version {self._version}, had it open.",
                fix="Upgrade mcp-chat-bridge here too, then start it again.",
            )
        self._transaction, self._began = str(found[0]), str(found[2])

    def commit(self, changed: dict[str, int] | None = None) -> None:
        """Write the events, tell of the commit, and end it: all of it is durable.

        `changed` are the conversations that it concerns, each with its next seq; None: it may be any.

        Raises:
            CommitUnknown: the connection was lost, and whether it was committed could not be asked.
        """
        events = self._events
        self._send_all(self._batch.take())
        if events:
            self._send("insert_events", events.columns())
        if changed is None or changed or events:
            self._send("notify", {"channel": CHANNEL, "payload": f"{self._transaction} {payload(changed)}"})
        self.committed.append(int(self._transaction))  # before its notice can come
        try:
            self._command("COMMIT")
            self._sync()
        except ConnectionLost as lost:
            mark = self._mark
            self.committed.append(-int(self._transaction))
            self.roll_back()
            if not self._was_committed(mark, lost):
                raise
        self._forget()

    def _was_committed(self, mark: dict[str, object] | None, lost: ConnectionLost) -> bool:
        """Ask a new connection what became of the transaction.

        An entry that it has written tells for certain. Else its number does, but not beyond a restart of the server:
        a number that was never written to its disk is given again.

        Raises:
            CommitUnknown: nobody could be asked, or nobody knows.
        """
        unknown = f"{lost} Whether what was being written then is stored cannot be told"
        until = time.monotonic() + CONNECT_S
        while True:
            try:
                status, began = self._fate()
                if status != "in progress" or time.monotonic() > until:
                    break
            except StoreError as exc:
                raise CommitUnknown(f"{unknown} ({exc}).", fix="The bridge goes on from what is stored.") from exc
            time.sleep(0.05)  # the server has not noticed yet that its client is gone
        if mark is not None and status != "in progress":
            return bool(self.value("is_entry", **mark))
        if status == "in progress" or (status == "committed" and began != self._began):
            raise CommitUnknown(f"{unknown}.", fix="The bridge goes on from what is stored.")
        return status == "committed"

    def _fate(self) -> tuple[str, str]:
        """What became of the transaction, and since when the server runs."""
        try:
            found = self.row("fate", transaction=self._transaction)
        except StoreError as exc:
            if not isinstance(exc.__cause__, psycopg.errors.InvalidParameterValue):
                raise
            return "aborted", ""  # "is in the future": the server has forgotten that it gave this number
        return ("aborted", "") if found is None else (str(found[0]), str(found[1]))

    def roll_back(self) -> None:
        """Give up the transaction, if there is one."""
        self._forget()
        connection = self._connection
        if connection is None:
            return
        with suppress(psycopg.Error):
            self._leave_pipeline()
        try:
            if not is_lost(connection) and connection.info.transaction_status != TransactionStatus.IDLE:
                connection.execute("ROLLBACK", prepare=False)
        except psycopg.Error as exc:
            logger.error("%s", self._failed(exc))
            connection.close()
        if is_lost(connection):
            self.close()

    def _leave_pipeline(self) -> None:
        pipelining, self._pipelining, self._pipeline = self._pipelining, None, None
        if pipelining is not None:
            pipelining.__exit__(None, None, None)

    def _forget(self) -> None:
        self._events, self._ahead, self._batch, self._mark = Events(), Ahead(), Batch(), None

    def _command(self, sql: str) -> None:
        """Run or send a statement that is no query."""
        try:
            self._connected().execute(sql.encode(), prepare=False)
        except psycopg.Error as exc:
            raise self._failed(exc) from exc

    # -- the connection -----------------------------------------------------------------------------------------

    def _connected(self) -> psycopg.Connection[Any]:
        connection = self._connection
        if connection is not None:
            return connection
        self.waits_since = time.monotonic()
        try:
            connection = self._database.connect(
                wait_s=CONNECT_S,
                set_to=READ_ONLY if self._reading else BY_KEYS,
                given_up=lambda: self._given_up,
                answer_s=self._answer_s,
            )
        finally:
            self.waits_since = None
        self._connection = connection
        return connection

    def mend(self) -> None:
        """Let go of a connection that is gone, so that the next statement makes another."""
        if self._connection is not None and is_lost(self._connection):
            self.close()

    def give_up(self) -> None:
        """Wait no longer for a server that does not answer, now or later. May be called on another thread."""
        self._given_up = True
        cut(self._connection)

    def close(self) -> None:
        """Close the connection. The next use opens another one."""
        connection, self._connection = self._connection, None
        self._ids = []
        if connection is not None:
            connection.close()
        with suppress(psycopg.Error):
            self._leave_pipeline()
