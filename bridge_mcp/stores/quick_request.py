"""What a process does that has no time to load the store: write one `Requested`, and look which calls are open.

A hook stands in an agent's way, and loading the store takes longer than the hook may. So this writes exactly what
`SqliteLog.intend` would write of a request that begins a log (a test holds the two together), by the same statements,
and nothing else: whatever is not as it should be is left to the store itself.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from os import urandom

from bridge_mcp.core.errors import StoreError
from bridge_mcp.core.hash_chain import FIRST, SALT_BYTES, content_digest, link

__all__ = ["BUSY_S", "END", "look", "request", "statements"]

BUSY_S = 5.0
"""How long others may hold the store."""

END = "\U0010ffff"
"""Stands behind all that a name may go on with."""

POSTGRES = ("postgresql://", "postgres://")
STORES = os.path.dirname(__file__)
FOLDER = os.path.join(STORES, "sqlite")


def request(path: str, conversations: Iterable[str], body: str, now: float) -> str:
    """Begin a log with an entry whose text is `body`: the first of these that has not begun; "" where all have.

    Raises:
        StoreError: the store cannot do it, or is none of this version's.
    """
    with OpenStore(path) as connection:
        sql = statements("conversation_head", "insert_conversation", "insert_entry", "update_conversation_due")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        known = sql["conversation_head"]
        free = (name for name in conversations if not connection.execute(known, {"name": name}).fetchone())
        if not (conversation := next(free, "")):
            return ""
        names = {"name": conversation, "channel": conversation.partition("/")[0], "at": now}
        place = connection.execute(sql["insert_conversation"], names).lastrowid
        salt = urandom(SALT_BYTES)
        tip = link(FIRST, conversation, 0, now, content_digest(salt, body))
        entry = {"id": place, "seq": 0, "at": now, "key": None, "body": body, "link": tip, "salt": salt}
        connection.execute(sql["insert_entry"], entry)
        row = {"id": place, "head": 1, "at": now, "tip": tip, "calling": None, "woken": 0, "unsettled": 0}
        row |= {"heard": -1, "cleared": -1, "wake_at": 0.0, "due_since": now}
        connection.execute(sql["update_conversation_due"], row)
        connection.execute("COMMIT")
    return conversation


def look(place: str, prefix: str, tool: str = "") -> tuple[dict[str, str], bool]:
    """The logs whose names begin so, each with the text of its last entry; and whether a call of a tool is undecided.

    `place` is a file, or the URL of a database of Postgres'.

    Raises:
        StoreError: the store cannot do it, or is none of this version's.
    """
    if place.startswith(POSTGRES):
        try:
            from bridge_mcp.stores.postgres import quick_look
        except ImportError as exc:
            raise StoreError(f"The driver of Postgres cannot be loaded: {exc}.") from exc
        return quick_look.look(place, prefix, tool)
    with OpenStore(place) as connection:
        sql = statements("last_entries", "waits_for_verdict")
        found = connection.execute(sql["last_entries"], {"first": prefix, "end": prefix + END}).fetchall()
        waits = bool(tool) and bool(connection.execute(sql["waits_for_verdict"], {"tool": tool}).fetchone()[0])
        return dict(found), waits


class OpenStore:
    """The store that is there, open for as long as this is entered; what SQLite cannot do is a `StoreError`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> sqlite3.Connection:
        if not os.path.exists(self._path):
            raise StoreError("There is no store yet.")
        try:
            self._connection = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)
            (found,) = self._connection.execute("PRAGMA user_version").fetchone()
        except sqlite3.Error as exc:
            raise self._failed(exc) from exc
        newest = sum(name.endswith((".sql", ".py")) for name in os.listdir(os.path.join(FOLDER, "migrations")))
        if found != newest:
            self._connection.close()
            raise StoreError(f"The store has schema version {found}, and not {newest}.")
        return self._connection

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._connection is not None:
            self._connection.close()
        if isinstance(error, sqlite3.Error):
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> StoreError:
        return StoreError(f"The store {self._path} failed: {error}.")


def statements(*names: str) -> dict[str, str]:
    """Named statements of the two files `log.sql`: what both databases have, and what SQLite has alone."""
    text = ""
    for folder in (os.path.join(STORES, "sql", "statements"), os.path.join(FOLDER, "sql")):
        with open(os.path.join(folder, "log.sql"), encoding="utf-8") as file:
            text += file.read()
    found: dict[str, str] = {}
    for name in names:
        _, _, behind = text.partition(f"-- name: {name}(")
        found[name] = behind.partition("\n")[2].partition(";\n")[0]
    return found
