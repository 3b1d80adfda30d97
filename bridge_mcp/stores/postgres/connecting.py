"""Connections to the store's database: how they are made, what they are set to, and what no message may say of them."""

from __future__ import annotations

import logging
import os
import random
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar

import psycopg
from psycopg import conninfo
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumperUnknown, TextLoader

from bridge_mcp.core.errors import BadInput, ConfigError, StoreError
from bridge_mcp.stores.postgres.errors import ConnectionLost, Refused, store_error

if TYPE_CHECKING:
    from psycopg.abc import PQGen

logger = logging.getLogger(__name__)

__all__ = ["ANSWER_S", "BY_KEYS", "CONNECT_S", "LONG_S", "READ_ONLY", "Database", "keep_sessions"]

T = TypeVar("T")

CONNECT_S = 30.0
"""How long is tried to connect, for whoever waits: a restart of Postgres takes a second or two."""

ANSWER_S = 30.0
"""How long is waited for one answer of Postgres. Longer than `lock_timeout`, which the server ends by itself."""

LONG_S = 300.0
"""The same where much is read, or a file is moved."""

TRIES = 5
"""How often is looked whether two connections have a session each: a pooler may give one the same twice by chance."""

LOOK_S = 5.0
"""How long is waited for an answer until a connection is of use: a pooler has others wait until it has a session for
them, and nobody can give up what is not there yet."""

FULL = "the pooler on the way may have no session free for this process"

TELL_S = 2.0
"""How long a server that is away is tried until that is told: whoever waits is not to wonder."""

CANCEL_S = 1.0
"""How long is tried to have the server end what it has not answered."""

RETRY_S = (0.05, 0.5)
"""The first and the longest pause between two attempts."""

DEFAULTS = {
    "application_name": "bridge-mcp",
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""What a URL may say otherwise: a connection whose other end is gone is noticed within seconds (libpq's parameters)."""

SETTINGS = """
SET tcp_keepalives_idle = 5;
SET tcp_keepalives_interval = 2;
SET tcp_keepalives_count = 3;
SET idle_in_transaction_session_timeout = '2s';
SET lock_timeout = '20s';
"""
"""What each session is set to; where sessions are shared, each transaction (`sql/session.sql`, `set_for_transaction`).

A process that is stopped in the middle of a transaction, or whose machine is gone, holds its locks for some seconds:
then the server ends its connection, and with it the transaction."""

READ_ONLY = "SET default_transaction_read_only = on;"
BY_KEYS = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;"
"""For sessions whose statements find rows by their keys. A plan that was made while a table was small reads all of that
table, and a prepared statement keeps it until the server looks at the size again (up to a minute)."""

ESCAPED = re.compile("\ufdd0(.)", re.DOTALL)
ESCAPE = str.maketrans({"\ufdd0": "\ufdd0\ufdd0", "\0": "\ufdd0\ufdd1"})
"""Postgres keeps no NUL in a text. It stands as two code points that are no characters (unicode.org, noncharacters)."""


class Text(StrDumperUnknown):
    """A text on its way into the database."""

    def dump(self, obj: str) -> Any:
        """Escape NUL."""
        return super().dump(obj.translate(ESCAPE) if "\0" in obj or "\ufdd0" in obj else obj)


class Loaded(TextLoader):
    """A text on its way out."""

    def load(self, data: Any) -> str | bytes:
        """Restore NUL."""
        text = super().load(data)
        if isinstance(text, str) and "\ufdd0" in text:
            return ESCAPED.sub(lambda found: "\0" if found[1] == "\ufdd1" else "\ufdd0", text)
        return text


class Unanswered(psycopg.OperationalError):
    """Postgres did not answer in time."""


class Bounded(psycopg.Connection[Any]):
    """A connection that waits for an answer so long at most, though the server's machine takes what is sent to it.

    Then the statement is cancelled, and the connection closed: what would come of it belongs to nobody.
    """

    answer_s: float | None = ANSWER_S
    """Seconds; None: however long it takes."""
    pooled = False
    """Whether a pooler stands before Postgres."""

    def wait(self, gen: PQGen[T], *args: Any, **more: Any) -> T:
        """See `psycopg.Connection`. Raises `Unanswered`."""
        if self.answer_s is None:
            return super().wait(gen, *args, **more)
        try:
            return super().wait(within(gen, self.answer_s), *args, **more)
        except Unanswered as exc:
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=CANCEL_S)
            self.close()
            if self.pooled:
                raise Unanswered(f"{FULL} ({exc})") from None
            raise


def within(gen: PQGen[T], seconds: float) -> PQGen[T]:
    """What `gen` gives, unless it waits longer than that. Whoever drives it looks in now and then without news."""
    until = time.monotonic() + seconds
    try:
        waits_for = next(gen)
        while True:
            ready = yield waits_for
            if not ready and time.monotonic() > until:
                raise Unanswered(f"Postgres has not answered for {seconds:g} s")
            waits_for = gen.send(ready)
    except StopIteration as end:
        found: T = end.value
        return found


class Database:
    """Where the store is. Its `repr` and `place` show no password."""

    def __init__(self, url: str) -> None:
        """Take a URL, or a connection string of libpq's.

        Raises:
            ConfigError: it is neither.
        """
        given = parameters(url)
        if given is None:
            raise ConfigError(
                "The URL of the store cannot be read.", fix='Write "postgresql://USER@HOST/DATABASE" as [store] url.'
            )
        self._given = {**DEFAULTS, **given, "client_encoding": "UTF8"}
        self.password = str(given.get("password") or "")
        host, port = given.get("host") or given.get("hostaddr") or "", given.get("port") or ""
        self._shares: bool | None = None
        self._pooled = False
        at = f"{given.get('user') or ''}@{host}{f':{port}' if port else ''}"
        self.place = f"postgresql://{at.removeprefix('@')}/{given.get('dbname') or ''}"

    def __repr__(self) -> str:
        return f"Database({self.place!r})"

    def connect(
        self,
        *,
        wait_s: float = 0.0,
        set_to: LiteralString = "",
        given_up: Callable[[], bool] = lambda: False,
        answer_s: float | None = None,
    ) -> psycopg.Connection[Any]:
        """A connection in which every statement commits by itself; tried for so long, at least once.

        It is tried no more once `given_up`. Each answer is waited for `answer_s` at most; None: however long it takes.
        `set_to` is what its session is set to beside `SETTINGS`, where it has one to itself.

        Raises:
            ConnectionLost: Postgres cannot be reached.
            StoreError: Postgres refuses.
        """
        began, pause, told = time.monotonic(), RETRY_S[0], False
        while True:
            try:
                return self._connected(set_to, answer_s)
            except psycopg.Error as exc:
                error = store_error(self.place, exc, lost=True)
                if isinstance(error, Refused) or time.monotonic() > began + wait_s or given_up():
                    raise self._without_password(error) from None
                if not told and time.monotonic() > began + TELL_S:
                    told = True
                    logger.warning("%s It is tried for %g s.", self._without_password(error), wait_s)
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, RETRY_S[1])

    @property
    def shares_sessions(self) -> bool:
        """Whether each transaction may be in another session, as behind PgBouncer in transaction mode.

        It is known once there was a connection. Then nothing holds that a session is set to, has prepared or holds.
        """
        return bool(self._shares)

    def _without_password(self, error: StoreError | BadInput) -> StoreError | BadInput:
        """The error, whatever the server may have said."""
        if self.password and self.password in str(error):
            return type(error)(str(error).replace(self.password, "…"), fix=error.fix)
        return error

    def _connected(self, set_to: LiteralString, answer_s: float | None) -> psycopg.Connection[Any]:
        connection = self._bare()
        connection.adapters.register_dumper(int, Int8Dumper)
        connection.adapters.register_dumper(str, Text)
        for kind in ("text", "varchar", "name"):
            connection.adapters.register_loader(kind, Loaded)
        try:
            if not self._look(connection):
                connection.prepare_threshold, connection.prepared_max = 0, 500
                connection.execute(SETTINGS + set_to, prepare=False)
        except psycopg.Error:
            connection.close()
            raise
        connection.answer_s = answer_s
        return connection

    def _bare(self) -> Bounded:
        """A connection that prepares nothing, and is set to nothing."""
        made = Bounded.connect(
            **self._given,  # pyright: ignore[reportArgumentType] - libpq's own parameters
            autocommit=True,
            prepare_threshold=None,
        )
        made.answer_s, made.pooled = LOOK_S, self._pooled
        return made

    def _look(self, connection: Bounded) -> bool:
        """Whether sessions are shared on this way; looked at on the first connection.

        Postgres itself names at the start the process that serves the connection. A pooler answers in its place, and
        then a second connection tells whether each has a session.
        """
        if self._shares is None:
            if backend(connection) == connection.info.backend_pid:
                self._shares = False
            else:
                with self._bare() as other:
                    connection.pooled = other.pooled = True
                    self._shares, self._pooled = not keep_sessions(connection, other), True
        return self._shares


def backend(connection: psycopg.Connection[Any]) -> int:
    """The process of the server that answers now."""
    row = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    assert row is not None
    return int(row[0])


def keep_sessions(one: psycopg.Connection[Any], other: psycopg.Connection[Any]) -> bool:
    """Whether two connections have a session each, over several transactions."""
    first, second = backend(one), backend(other)
    if first == second:
        return False
    # An odd number of looks: a pooler that gives its sessions in turn gives none of the two the same again and again.
    looks = [each for _ in range(TRIES) for each in ((one, first), (other, second), (one, first))]
    return all(backend(connection) == known for connection, known in looks)


def parameters(url: str) -> dict[str, Any] | None:
    """What a URL says; None where it cannot be read: what libpq says of it then would show a part of it."""
    try:
        return conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        return None


def is_lost(connection: psycopg.Connection[Any], exc: Exception | None = None) -> bool:
    """Whether a connection is of no more use; closed where the server says by `exc` that it has ended it."""
    if isinstance(exc, psycopg.errors.AdminShutdown | psycopg.errors.CrashShutdown):
        connection.close()  # what the server says is read before its end is seen
    return connection.closed or connection.broken


def cut(connection: psycopg.Connection[Any] | None) -> None:
    """Have whoever waits for the other end of a connection wait no longer: for that thread it is lost."""
    if connection is not None:
        with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)


__all__ += ["ConnectionLost", "cut", "is_lost"]
