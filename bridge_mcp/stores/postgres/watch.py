"""Hears of others' commits: notices of Postgres as a hint, and a slow look at the newest transaction as the truth."""

from __future__ import annotations

import asyncio
import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import sql

from bridge_mcp.core.errors import StoreError
from bridge_mcp.stores.postgres.connecting import ANSWER_S, Database, cut
from bridge_mcp.stores.postgres.notices import CHANNEL, told_by

__all__ = ["Watcher"]

logger = logging.getLogger(__name__)

POLL_S = 1.0
"""How often is looked whether anything was written: what heals a notice that was lost."""

MOST = 100_000
"""Transactions that are told apart; of more it is enough to know that there were some."""

SNAPSHOT = """
SELECT CAST(CAST(pg_snapshot_xmin(s) AS text) AS bigint), CAST(CAST(pg_snapshot_xmax(s) AS text) AS bigint),
    ARRAY(SELECT CAST(CAST(pg_snapshot_xip(s) AS text) AS bigint)),
    ARRAY(SELECT CAST(CAST(xmin AS text) AS bigint) FROM workers)
FROM pg_current_snapshot() AS s
"""
"""The first transaction that may be under way, the first that has not begun, those between that are under way, and the
last signs of life of workers, by the lower half of their numbers."""

EPOCH = 2**32
"""What the numbers in rows leave out."""


class Watcher:
    """A thread with a connection that listens, while somebody watches.

    Every commit of a store has a number, and its notice tells it. What has ended without being told of, be it anybody's
    on the server, may have been a commit whose notice was lost: then anything may have changed.
    """

    def __init__(
        self,
        database: Database,
        notify: Callable[[Mapping[str, int] | None], None],
        committed: deque[int],
    ) -> None:
        """`notify` is called on the event loop.

        This process's own commits, which it knows, are those in `committed`: no backend tells, which a pooler changes.
        """
        self._database = database
        self._notify = notify
        self._committed = committed
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ears, self._mouth = socket.socketpair()
        self._mouth.setblocking(False)
        self._watched = self._closed = False
        self._connection: psycopg.Connection[Any] | None = None
        self._known: set[int] = set()
        """The transactions that were told of, or seen to have ended, from `_from` on."""
        self._own: set[int] = set()
        """Those of them that this process has made."""
        self._from = -1
        self._hearing: tuple[tuple[str, Callable[[], object]], ...] = ()
        """Channels of notices beside those of commits, each with what is called when one comes."""
        self._listened: set[str] = set()
        """Those channels that the connection listens to."""
        self._late: deque[psycopg.Notify] = deque()
        """Notices that came while a statement ran: psycopg takes them out of its connection then."""

    @contextmanager
    def hearing(self, channel: str, hear: Callable[[], object]) -> Generator[None]:
        """While anybody watches, have `hear` called on the event loop after notices of a channel: they are hints."""
        self._hearing += ((channel, hear),)
        self._wake()
        try:
            yield
        finally:
            left = list(self._hearing)
            left.remove((channel, hear))
            self._hearing = tuple(left)

    def watch(self, watched: bool) -> None:
        """Listen from now on, or no longer. Called on the event loop."""
        self._watched = watched
        if self._closed:
            return
        if self._thread is not None:
            self._wake()
        elif watched:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._run, name="bridge-mcp-watch", daemon=True)
            self._thread.start()

    def give_up(self) -> None:
        """Wait no longer for a server that does not answer."""
        cut(self._connection)

    async def close(self) -> None:
        """End the thread."""
        if self._closed:
            return
        self._closed = True
        if self._thread is not None:
            self._wake()
            await asyncio.to_thread(self._thread.join)
        self._ears.close()
        self._mouth.close()

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # enough waits there already
            self._mouth.send(b".")

    # -- on the thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._closed:
                if not self._watched:
                    self._unlisten()
                    self._wait(None)
                    continue
                try:
                    self._listen()
                except (psycopg.Error, StoreError) as exc:
                    logger.info("the notices of %s ended: %s", self._database.place, exc)
                    self._let_go()
                    self._tell(None)  # whoever watches looks, and meets the error where it counts
                    self._wait(POLL_S, alone=True)
        finally:
            self._let_go()

    def _listen(self) -> None:
        """Hear what comes, and look once in `POLL_S` whether all of it was heard."""
        if self._connection is None:
            self._connection = self._database.connect(answer_s=ANSWER_S)
            self._late.clear()
            self._connection.add_notify_handler(self._late.append)
            self._from, self._listened = -1, set()
            self._take_own()
            self._own.clear()  # a server that crashed gives numbers again
        connection, until = self._connection, time.monotonic() + POLL_S
        while self._watched and not self._closed and (left := until - time.monotonic()) > 0:
            fresh = {CHANNEL, *(channel for channel, _ in self._hearing)} - self._listened
            for channel in fresh:
                connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                self._listened.add(channel)
            if self._from < 0:
                self._look(connection)
            if not (fresh or self._late):
                self._wait(left)
                connection.pgconn.consume_input()
            self._pass_on(connection, fresh)
        self._look(connection)

    def _unlisten(self) -> None:
        """Listen to nothing: notices that nobody reads would fill the server's queue of them."""
        self._from = -1
        if self._connection is not None and self._listened:
            try:
                self._connection.execute("UNLISTEN *")
            except (psycopg.Error, StoreError):
                self._let_go()  # it is made anew when somebody watches
        self._listened = set()
        self._late.clear()

    def _pass_on(self, connection: psycopg.Connection[Any], heard: set[str]) -> None:
        """Tell of the notices that are there; who listens to a channel of `heard` is told in any case."""
        notices = [(each.channel, each.payload.encode()) for each in self._late]
        self._late.clear()
        while (notice := connection.pgconn.notifies()) is not None:
            notices.append((notice.relname.decode(), notice.extra))
        self._take_own()
        for channel, payload in notices:
            if channel != CHANNEL:
                heard.add(channel)
                continue
            number, changed = told_by(payload)
            self._known.add(number)
            if number not in self._own:
                self._tell(changed)
        for channel, hear in self._hearing:
            if channel in heard:
                self._call(hear)

    def _look(self, connection: psycopg.Connection[Any]) -> None:
        """Tell where anything ended that nobody told of."""
        row = connection.execute(SNAPSHOT).fetchone()
        assert row is not None
        first, beyond, under_way, signs = row
        self._take_own()
        if self._from < 0 or beyond - self._from > MOST:
            self._tell(None)
            ended = set(range(max(first, beyond - MOST), beyond)).difference(under_way)
        else:
            ended = set(range(self._from, beyond)).difference(under_way)
            if any(number % EPOCH not in signs for number in ended - self._known):
                self._tell(None)
        self._known = {number for number in self._known | ended if number >= first}
        self._own = {number for number in self._own if number >= first}
        self._from = first

    def _take_own(self) -> None:
        """Note what this process has committed; of what was lost on the way it may know less than others."""
        while self._committed:
            if (number := self._committed.popleft()) > 0:
                self._known.add(number)
                self._own.add(number)
            else:
                self._own.discard(-number)
                self._tell(None)

    def _wait(self, timeout_s: float | None, *, alone: bool = False) -> None:
        """Wait for the connection (not `alone`), or until somebody wakes the thread."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._ears, selectors.EVENT_READ)
            if self._connection is not None and not alone and timeout_s is not None:
                selector.register(self._connection.fileno(), selectors.EVENT_READ)
            ready = selector.select(timeout_s)
        if any(key.fileobj is self._ears for key, _ in ready):
            self._ears.recv(4096)

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _tell(self, changed: Mapping[str, int] | None) -> None:
        """Have the event loop tell of it."""
        self._call(self._notify, changed)

    def _call(self, act: Callable[..., object], *values: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(act, *values)
        except RuntimeError:  # it is closed: nobody is there any more
            self._closed = True
