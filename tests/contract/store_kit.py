"""What the contract tests of stores stand on: a place for a store, a clock that obeys, and short ways to say things."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import psycopg
import pytest

from bridge_mcp.core.entries import (
    Asked,
    Attachment,
    Call,
    Heard,
    Judged,
    Posted,
    Question,
    Replied,
    Sender,
    Started,
    Verdict,
)
from bridge_mcp.core.hash_chain import FIRST, link
from bridge_mcp.ports import Store
from bridge_mcp.stores import postgres
from bridge_mcp.stores.sql.replay import Rebuilt
from bridge_mcp.stores.sqlite import open_store, verify
from bridge_mcp.stores.sqlite.rebuild import rebuild
from tests.servers.postgres import Database

Rows: TypeAlias = dict[str, list[tuple[object, ...]]]

ANN = Sender("7", "Ann")
HOST = Sender("host", "host", "client")
SOON_S = 10.0
"""How long a test waits for what must happen: much longer than it takes."""


@dataclass
class StoreClock:
    time: float = 1000.0

    def now(self) -> float:
        return self.time


@dataclass
class SqlitePlace:
    """A file that any number of stores can be opened on, as any number of processes would."""

    folder: Path
    clock: StoreClock = field(default_factory=StoreClock)
    opened: list[Store] = field(default_factory=list[Store])

    async def open(self, delivered_by_commit: frozenset[str] = frozenset({"local"})) -> Store:
        store = await open_store(self.folder / "bridge.db", clock=self.clock, delivered_by_commit=delivered_by_commit)
        self.opened.append(store)
        return store

    def verify(self) -> tuple[str, ...]:
        return verify(self.folder / "bridge.db")

    def rebuild(self) -> Rebuilt:
        return rebuild(self.folder / "bridge.db", self.clock.time, frozenset({"local"}))

    def rows(self) -> Rows:
        return rows_of(self.folder / "bridge.db")


@dataclass
class PostgresPlace:
    """A database that any number of stores can be opened on, as processes of any number of machines would."""

    url: str
    clock: StoreClock = field(default_factory=StoreClock)
    opened: list[Store] = field(default_factory=list[Store])

    async def open(self, delivered_by_commit: frozenset[str] = frozenset({"local"})) -> Store:
        store = await postgres.open_store(self.url, clock=self.clock, delivered_by_commit=delivered_by_commit)
        self.opened.append(store)
        return store

    def verify(self) -> tuple[str, ...]:
        return postgres.verify(self.url)

    def rebuild(self) -> Rebuilt:
        return postgres.rebuild(self.url, self.clock.time, frozenset({"local"}))

    def rows(self) -> Rows:
        """All rows of all tables, but for when conversations wake, and the jobs that follow from that."""
        with psycopg.connect(self.url) as connection:
            tables = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'procrastinate_%'"
            ).fetchall()
            found: Rows = {}
            for (name,) in tables:
                rows = connection.execute(
                    f"SELECT to_jsonb(t) - '{{wake_at,due_since}}'::text[] FROM {name} AS t".encode()
                )
                found[name] = sorted(rows.fetchall(), key=repr)
            return found


Place = SqlitePlace | PostgresPlace
PLACES = ("sqlite", "postgres")
"""Every kind of store there is."""


def make_place(kind: str, request: pytest.FixtureRequest, folder: Path) -> Place:
    """A new place of a kind."""
    if kind == "sqlite":
        return SqlitePlace(folder)
    made: Database = request.getfixturevalue("store_database")
    return PostgresPlace(made.url)


@asynccontextmanager
async def used(place: Place) -> AsyncGenerator[Place]:
    """A place that is left in order: whatever a test did, the rows say what the logs say, and a rebuild agrees."""
    yield place
    for store in place.opened:
        await store.close()
    if place.opened:
        assert place.verify() == ()
        before = place.rows()
        assert place.rebuild().skipped == []
        after = place.rows()
        changed = {name: (rows, after[name]) for name, rows in before.items() if rows != after[name]}
        assert not changed, f"a rebuild changes {changed}"
        assert place.verify() == ()


def rows_of(path: Path) -> Rows:
    """All rows of all tables, but for the search index, and for when conversations wake."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            if not name.startswith(("words", "indexed", "sqlite_"))
        ]
        connection.execute("CREATE TEMP TABLE c AS SELECT * FROM conversations")
        connection.execute("UPDATE c SET wake_at = 0, due_since = 0")
        return {
            name: sorted(connection.execute(f"SELECT * FROM {'c' if name == 'conversations' else name}"), key=repr)
            for name in tables
        }


def without_salt(connection: sqlite3.Connection) -> None:
    """The logs as earlier versions wrote them: each link over the text itself."""
    for id, name in connection.execute("SELECT id, name FROM conversations").fetchall():
        tip = FIRST
        rows = connection.execute("SELECT seq, at, body FROM log WHERE conversation = ? ORDER BY seq", (id,)).fetchall()
        for seq, at, body in rows:
            tip = link(tip, name, seq, at, body)
            of = (tip, id, seq)
            connection.execute("UPDATE log SET link = ?, salt = NULL WHERE conversation = ? AND seq = ?", of)
        connection.execute("UPDATE conversations SET tip = ? WHERE id = ?", (tip, id))


def heard(text: str = "hi", key: str = "", *, sender: Sender = ANN, **more: Any) -> Heard:
    return Heard(text, sender, key or text, **more)


def posted(text: str = "hello", key: str = "", question: Question | None = None, files: int = 0) -> Posted:
    return Posted(text, HOST, key or text, files=tuple(Attachment(f"f{n}") for n in range(files)), question=question)


def model_started(turn: int = 0) -> Started:
    return Started("model", turn=turn)


def replied(text: str = "I am well.", *calls: Call, upto: int = 1) -> Replied:
    return Replied(text, calls, upto, turn=0)


def asked(call: str = "1.0", tool: str = "files__delete", expires_at: float = 0.0) -> Asked:
    return Asked(
        call,
        "files",
        tool,
        arguments='{"path":"a"}',
        digest="sha256:00",
        expires_at=expires_at,
        requested_by="assistant",
        reason="files asks for everything",
    )


def judged(
    call: str = "1.0",
    verdict: Verdict = "approved",
    by: str = "bob",
    remember: Literal["once", "conversation", "always"] = "once",
    note: str = "",
) -> Judged:
    return Judged(call, verdict, by, note=note, remember=remember)


async def say(store: Store, conversation: str, *texts: str) -> None:
    """Messages that came in."""
    await store.log.record(conversation, *(heard(text) for text in texts))


async def turn(store: Store, conversation: str, text: str = "hi", reply: str = "I am well.") -> int:
    """A whole turn; the seq of its reply."""
    (came,) = await store.log.record(conversation, heard(text))
    (begun,) = await store.log.intend(conversation, came.seq + 1, model_started(came.seq))
    answer = await store.log.answer(conversation, begun.seq, replied(reply, upto=begun.seq), wake=None)
    assert answer is not None
    return answer.seq
