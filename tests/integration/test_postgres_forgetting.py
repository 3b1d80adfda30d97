"""Forgetting on Postgres: nothing of it stands in any table, nor in any file of one; what the server keeps is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge_mcp.operations.forgetting import forget
from bridge_mcp.ports import ToForget
from bridge_mcp.stores.postgres import open_store, rebuild, verify
from bridge_mcp.testing import ManualClock
from tests.integration.test_forgetting import CHAT, STAYS, WORDS, fill, found, keepers
from tests.servers.postgres import Database, PostgresServer


def in_tables(database: Database, words: tuple[str, ...]) -> list[tuple[str, str]]:
    """In which tables these words stand, as text of a row or among the terms of the index."""
    with database.connect() as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        there: list[tuple[str, str]] = []
        for (name,) in tables:
            rows = connection.execute(f"SELECT CAST(t AS text) FROM {name} AS t".encode()).fetchall()
            text = "\n".join(str(row) for (row,) in rows).lower()
            there += [(name, word) for word in words if word.lower() in text]
        return there


@pytest.mark.shows("keep.forget-postgres")
@pytest.mark.parametrize("what", [ToForget("conversation", CHAT, "owner"), ToForget("person", "tg/7", "owner")])
async def test_what_is_forgotten_stands_in_no_table_and_in_no_file_of_one(
    own_postgres: PostgresServer, tmp_path: Path, what: ToForget
) -> None:
    made, clock = own_postgres.served.create(), ManualClock(1_000_000.0)
    store = await open_store(made.url, clock=clock)
    of_postgres = found(own_postgres.data / "base", WORDS)
    await fill(tmp_path, store)
    before = in_tables(made, WORDS)
    assert {word for _, word in before} >= {"secretword", "argumentword", "replyword", "titleword"}
    for each in (what, ToForget("person", "tg/7", "owner")) if what.kind == "person" else (what,):
        await forget(keepers(tmp_path, store, clock), each)
    if what.kind == "person":
        assert in_tables(made, WORDS) == []
        assert found(own_postgres.data / "base", WORDS) == of_postgres, "the tables were written anew"
    else:
        left = {name for name, _ in in_tables(made, ("editedword", "postedword")) if name == "log"}
        assert left == {"log"}, "the group still has its own"
    assert {word for _, word in in_tables(made, STAYS)} == set(STAYS)
    assert await store.history.search("searchableword", conversation=CHAT) == ()
    assert len(await store.history.search("bobsword")) >= 2
    await store.close()
    assert verify(made.url) == ()
    assert rebuild(made.url, clock.now()).skipped == []
    assert in_tables(made, WORDS if what.kind == "person" else ()) == []
