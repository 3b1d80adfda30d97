"""The parts of a move that are no rows: files, the index of words, and the check of what has arrived."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
import psycopg

from bridge_mcp.core.errors import StoreError
from bridge_mcp.stores.files import FileFolder
from bridge_mcp.stores.moving.ends import End, PostgresEnd, SqliteEnd
from bridge_mcp.stores.moving.move import Progress
from bridge_mcp.stores.moving.tables import Reached, Row
from bridge_mcp.stores.postgres.connecting import Database
from bridge_mcp.stores.postgres.errors import store_error
from bridge_mcp.stores.postgres.migrate import newest
from bridge_mcp.stores.postgres.session import Session, statements
from bridge_mcp.stores.postgres.words import WORDS
from bridge_mcp.stores.sql.findings import findings
from bridge_mcp.stores.sql.rows import message
from bridge_mcp.stores.sql.session import Chat
from bridge_mcp.stores.sqlite import verify as verify_file

__all__ = ["DatabaseFiles", "FolderFiles", "end_of", "faults", "index_words"]

HASH = re.compile(r"[0-9a-f]{64}")
PAGE = 1000
"""Messages of one transaction."""


def end_of(url: str) -> SqliteEnd | PostgresEnd:
    """The end at a URL."""
    if url.startswith("sqlite:///"):
        return SqliteEnd(Path(url.removeprefix("sqlite:///")))
    return PostgresEnd(url)


class FolderFiles:
    """The files of a store of SQLite's, in their folder."""

    def __init__(self, folder: Path) -> None:
        self._files = FileFolder(folder, max_folder=sys.maxsize)  # a move makes no room: all of them come over

    def hashes(self) -> Sequence[str]:
        """By the names, which are the hashes."""
        return sorted(path.name for path in self._files.folder.glob("??/*") if HASH.fullmatch(path.name))

    def get(self, digest: str) -> bytes | None:
        """None for one that is gone, or that is not what its name says."""
        try:
            data = (self._files.folder / digest[:2] / digest).read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == digest else None

    def put(self, digest: str, data: bytes) -> None:
        """Into the folder."""
        self._files.keep(data)


class DatabaseFiles:
    """The files of a store on Postgres."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def hashes(self) -> Sequence[str]:
        """By their keys; none before there are tables."""
        try:
            return [str(digest) for (digest,) in self._run("kept_file_hashes")]
        except StoreError as exc:
            if isinstance(exc.__cause__, psycopg.errors.UndefinedTable):
                return []
            raise

    def get(self, digest: str) -> bytes | None:
        """None for one that is gone."""
        rows = self._run("kept_file", hash=digest)
        return bytes(rows[0][0]) if rows else None

    def put(self, digest: str, data: bytes) -> None:
        """Into its table."""
        self._run("put_kept_file", hash=digest, size=len(data), body=data)

    def _run(self, statement: str, **values: object) -> list[Row]:
        with self._database.connect() as connection:
            try:
                cursor = connection.execute(statements()[statement], values)
                return cursor.fetchall() if cursor.description else []
            except psycopg.Error as exc:
                raise store_error(self._database.place, exc) from exc


def index_words(source: End, target: End, progress: Progress) -> None:
    """Have the words of messages be found on Postgres; SQLite's index begins anew by itself at the first search."""
    if not isinstance(target, PostgresEnd):
        return
    session = Session(Database(target.url), -newest(), reading=False)
    columns, key = ("id", "name", "seq", "at", "body", "status", "later", "kind"), ("id",)
    places = {name: Chat(id, channel) for id, name, channel in pages(target, "conversations")}
    reached = msgspec.convert(target.state("words") or {}, Reached)
    after, done, total = reached.after, reached.done, target.count("messages")
    try:
        while rows := target.page("message_details", columns, key, after, PAGE):
            session.begin()
            for _, name, seq, at, body, status, later, kind in rows:
                if kind == "message":
                    text = message((name, seq, at, body, status, "", "[]", 0, 0, 0, later)).text
                    WORDS.replayed(session, places[name], seq, text)
            session.commit({})
            after, done = [rows[-1][0]], done + len(rows)
            target.put("words", (), (), Reached(after, done))
            progress("words", done, total)
    finally:
        session.close()


def pages(end: End, table: str) -> list[Row]:
    """The id, name and channel of every conversation."""
    page: list[Row] = []
    after: Sequence[object] | None = None
    while rows := end.page(table, ("id", "name", "channel"), ("id",), after, PAGE):
        page += rows
        after = rows[-1][:1]
    return page


def faults(end: End, progress: Progress) -> Sequence[str]:
    """What is wrong with a store, a line each: all that stands beside a log is computed from it, and each link too."""
    report: Callable[[int, int], object] = partial(progress, "check")
    if not isinstance(end, PostgresEnd):
        return verify_file(Path(end.url.removeprefix("sqlite:///")), progress=report)
    session = Session(Database(end.url), newest(), reading=True)
    try:
        return findings(session, "", report)
    finally:
        session.close()
