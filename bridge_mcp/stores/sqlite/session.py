"""A connection with the named statements of `sql/`, and errors of SQLite said in the bridge's own words."""

from __future__ import annotations

import logging
import random
import shutil
import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from bridge_mcp.core.errors import BadInput, StoreError, StoreLost
from bridge_mcp.stores.sql.session import SHARED, Row, named_statements
from bridge_mcp.stores.sqlite.fts import WORDS, SqliteWords, indexed
from bridge_mcp.stores.sqlite.guard import Guard, Holder, is_stopped

logger = logging.getLogger(__name__)

__all__ = ["BROKEN", "LOCAL_DISK", "LOCK_S", "Session", "connect", "statements", "store_error"]

LOCK_S = 30.0
"""How long a writer waits for the other processes' turns; each takes milliseconds."""

STOPPED_S = 1.0
"""How long a writer waits until it looks whether the process that it waits for can let go at all."""

CHECK_S = 0.25
"""How often reads look whether the store is still there, and anything whether it was migrated."""

NO_SHARING = ("SQLITE_IOERR_SHM", "SQLITE_IOERR_LOCK", "SQLITE_IOERR_UNLOCK", "SQLITE_PROTOCOL", "SQLITE_NOLFS")
"""What SQLite calls it when a file system cannot do what a write-ahead log needs (sqlite.org/wal.html)."""

LOCAL_DISK = "Put the state folder on a local disk: BRIDGE_MCP_STATE_DIR, or [store] url."

RETRY_S = (0.0003, 0.002)
"""The shortest and the longest pause between two attempts: about what a commit takes."""

CHECKPOINT_PAGES = 4000
"""Pages (of 4 kB) in the write-ahead log before they are copied into the database. A hot page is copied once per round,
so more pages mean less copying: four times SQLite's default took a tenth off an append. The file shrinks back to four
times that after a burst."""

ROOM = 64 * 1024
"""Bytes. The file of shared memory takes 32 kB; without that much SQLite says the same as where there are no locks."""

BROKEN = (sqlite3.Error, UnicodeDecodeError)
"""What Python's `sqlite3` raises; the second of a damaged file, whose text it cannot read."""

FIXES = {
    "locked": "Another process has been writing for too long; end it, then try again.",
    "full": "Free some space on that disk.",
    "readonly": "Let this user write to that file and its folder.",
    "unable to open": "Let this user read and write that file and its folder.",
    "malformed": "Restore a backup, or move the file away to start anew.",
    "codec can't decode": "The file is damaged: restore a backup, or move it away to start anew.",
    "not a database": "Move the file away, or set [store] url to another one.",
    "closed": "It was in use while the bridge was ending; start it again.",
}


@cache
def statements() -> dict[str, str]:
    """The text of each named statement, shared or of `sql/`.

    The files are read when the first statement is needed. Several threads may ask at once: each gets all of them.
    """
    return named_statements(SHARED, Path(__file__).with_name("sql"))


class Session:
    """One connection, used by one thread at a time. Every read is fetched whole, so none is left open."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        guard: Guard | None = None,
        holder: Holder | None = None,
    ) -> None:
        self.connection = connection
        self.path = path
        self.waits_since: float | None = None
        """Since when `begin` waits for another process (monotonic)."""
        self._guard = guard
        self._holder = holder
        self._checked = 0.0

    @property
    def place(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def changes(self) -> int:
        """Grows with every row that is written."""
        return self.connection.total_changes

    @property
    def words(self) -> SqliteWords:
        """The full-text index."""
        return WORDS

    def run(self, statement: str, /, **values: object) -> int:
        """Run a statement that writes; how many rows it has written. Raises `StoreError` and `BadInput`."""
        return self._run(statement, values).rowcount

    def put(self, statement: str, /, **values: object) -> None:
        """Run a statement that writes. Raises `StoreError` and `BadInput`."""
        self._run(statement, values)

    def insert(self, statement: str, /, **values: object) -> int:
        """Insert a row; its id. Raises `StoreError` and `BadInput`."""
        return self._run(statement, values).lastrowid or 0

    def add_entry(self, name: str, key: str | None, seq: int, **values: object) -> bool:
        """Add an entry, unless its key is taken."""
        return self._run("insert_entry", values | {"key": key, "seq": seq}).rowcount > 0

    def seq_of_key(self, name: str, id: int, key: str) -> int | None:
        """Where the entry with a key stands."""
        return self.value("seq_of_key", id=id, key=key)

    def is_forgotten(self, id: int, seq: int) -> bool:
        """Whether an entry's content is gone."""
        return bool(self.value("is_forgotten", id=id, seq=seq))

    def tell(
        self, type: str, conversation: str, *, seq: int | None = None, at: float | None = None, body: str = ""
    ) -> None:
        """Add an event to the feed: of an entry, or with a time and a body of its own."""
        if seq is not None:
            self._run("insert_entry_event", {"type": type, "conversation": conversation, "seq": seq})
        else:
            self._run("insert_event", {"type": type, "conversation": conversation, "at": at, "body": body})

    def hold_channel(self, channel: str) -> None:
        """Nothing: one process receives from all channels, by the lock of a file."""

    def alone(self, what: str) -> None:
        """Whoever writes is alone."""

    def _run(self, statement: str, values: dict[str, object]) -> sqlite3.Cursor:
        """Run a named statement.

        Raises:
            BadInput: a value has no place in a database.
            StoreError: SQLite cannot do it.
        """
        try:
            return self.connection.execute(statements()[statement], values)
        except BROKEN as exc:
            raise self._error(exc) from exc
        except (OverflowError, UnicodeEncodeError) as exc:
            raise BadInput(
                f"A value cannot be stored: {exc}.", fix="Use text of whole characters, 64-bit numbers."
            ) from exc

    def check(self) -> None:
        """Raise where this is no longer the store that was opened. Its schema is looked at every `CHECK_S`.

        Raises:
            StoreLost: its file is gone, replaced, or migrated by another process.
        """
        if self._guard is None:
            return
        self._guard.check_file()
        now = time.monotonic()
        if now - self._checked > CHECK_S:
            self._checked = now
            try:
                (version,) = self.connection.execute("PRAGMA user_version").fetchone()
            except BROKEN as exc:
                raise self._error(exc) from exc
            self._guard.check_version(version)

    def rows(self, statement: str, /, **values: object) -> list[Row]:
        """All rows of a named statement. Raises `StoreError`."""
        if self._guard is not None and time.monotonic() - self._checked > CHECK_S:
            self.check()
        try:
            return self._run(statement, values).fetchall()
        except BROKEN as exc:
            raise self._error(exc) from exc

    def row(self, statement: str, /, **values: object) -> Row | None:
        """The only row; None where there is none."""
        rows = self.rows(statement, **values)
        return rows[0] if rows else None

    def value(self, statement: str, /, **values: object) -> Any:
        """The first column of the only row; None where there is none."""
        rows = self.rows(statement, **values)
        return rows[0][0] if rows else None

    def execute(self, sql: str) -> None:
        """Run a statement that is no query: `BEGIN` and its like."""
        try:
            self.connection.execute(sql)
        except BROKEN as exc:
            raise self._error(exc) from exc

    def begin(self, conversations: Sequence[str] = (), keys: Sequence[tuple[str, str]] = ()) -> None:
        """Begin to write, as soon as no other process does.

        Raises:
            StoreError: the others did not let go for `LOCK_S`, or one of them is stopped in the middle of a write.
            StoreLost: this is not the store any more.
        """
        self.check()
        began = time.monotonic()
        looked = 0.0
        try:
            while True:
                try:
                    self.connection.execute("BEGIN IMMEDIATE")
                    break
                except sqlite3.OperationalError as exc:
                    if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                        raise self._error(exc) from exc
                    waited = time.monotonic() - began
                    if waited - looked > STOPPED_S or waited > LOCK_S:
                        looked = waited
                        self._give_up_on(exc, waited)
                except BROKEN as exc:
                    raise self._error(exc) from exc
                # SQLite's own waiting grows to 100 ms, while a commit takes one: five busy processes wait a second.
                self.waits_since = began
                time.sleep(random.uniform(*RETRY_S))
        finally:
            self.waits_since = None
        if self._holder is not None:
            self._holder.note()

    def _give_up_on(self, exc: sqlite3.OperationalError, waited: float) -> None:
        """Say who holds the store, once that is for too long, or cannot end by itself."""
        pid = self._holder.last()[0] if self._holder is not None else 0
        if waited <= LOCK_S and not (pid and is_stopped(pid)):
            return
        if self._holder is None:
            raise self._error(exc) from exc
        raise StoreError(f"The store {self.path} is locked: {self._holder.words()}.", fix=self._holder.fix()) from exc

    def commit(self, changed: dict[str, int] | None = None) -> None:
        """End what `begin` began: it is on disk."""
        self.execute("COMMIT")

    def roll_back(self) -> None:
        """Give up the transaction, unless SQLite has already done so."""
        if self.connection.in_transaction:
            try:
                self.connection.execute("ROLLBACK")
            except sqlite3.Error as exc:
                logger.error("%s", store_error(self.path, exc))

    @contextmanager
    def snapshot(self) -> Generator[None]:
        """Several reads of one and the same state."""
        self.execute("BEGIN")
        try:
            yield
        finally:
            self.execute("COMMIT")

    def _error(self, exc: Exception) -> StoreError:
        """What failed: that the store is not there any more, or what SQLite says."""
        if self._guard is not None:
            try:
                self._guard.check_file()
            except StoreLost as lost:
                return lost
        return store_error(self.path, exc)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def connect(
    path: Path,
    *,
    reading: bool,
    wait_s: float = LOCK_S,
    guard: Guard | None = None,
    holder: Holder | None = None,
) -> Session:
    """A connection to a store that is there. Its reads wait `wait_s` for others, once it is open.

    Raises:
        StoreError: it cannot be opened.
    """
    try:
        # Whoever closes a store as the last one has it alone for a moment, and refuses who opens it then.
        connection = sqlite3.connect(
            path, timeout=LOCK_S, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.create_function("terms", 1, indexed, deterministic=True)
        if reading:
            connection.execute("PRAGMA query_only = 1")
            connection.create_function("fold", 1, str.casefold, deterministic=True)
        else:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {CHECKPOINT_PAGES * 4 * 4096}")
        connection.execute("PRAGMA user_version").fetchone()  # the file is held from here, until this is closed
        connection.execute(f"PRAGMA busy_timeout = {round(wait_s * 1000)}")
    except BROKEN as exc:
        raise store_error(path, exc) from exc
    return Session(connection, path, guard, holder)


def is_full(path: Path) -> bool:
    """Whether the disk has no room for what SQLite keeps beside a file."""
    try:
        return shutil.disk_usage(path.parent).free < ROOM
    except OSError:
        return False


def store_error(path: Path, exc: Exception) -> StoreError:
    """What SQLite said, where, and the next move."""
    cause = str(exc)
    if "disk I/O error" in cause and is_full(path):
        cause = "database or disk is full"
    elif str(vars(exc).get("sqlite_errorname", "")).startswith(NO_SHARING):
        return StoreError(
            f"The store {path} cannot be shared by processes: its file system has no locks in shared memory ({cause}).",
            fix=LOCAL_DISK,
        )
    fix = next((fix for word, fix in FIXES.items() if word in cause), "")
    return StoreError(f"The store {path} failed: {cause}.", fix=fix)
