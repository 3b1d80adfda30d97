"""What the store on Postgres sends: a commit of many conversations takes as many statements as one of a single one."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import anyio
import psycopg
import pytest

from bridge_mcp.core.entries import Heard
from bridge_mcp.stores.postgres import PostgresStore, open_store
from bridge_mcp.testing import ManualClock
from tests.contract.store_kit import SOON_S, heard
from tests.servers.postgres import Database


@pytest.fixture
async def store(store_database: Database) -> AsyncIterator[PostgresStore]:
    opened = await open_store(store_database.url, clock=ManualClock(), delivered_by_commit=frozenset({"local"}))
    yield opened
    await opened.close()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The statements that go out, by their first words."""
    found: Counter[str] = Counter()
    plain: Any = psycopg.Connection[Any].execute

    def counting(self: object, query: Any, *args: Any, **more: Any) -> Any:
        text = " ".join(
            line
            for line in (query if isinstance(query, str) else query.decode()).splitlines()
            if not line.startswith("--")
        )
        found[" ".join(text.split()[:3])] += 1
        return plain(self, query, *args, **more)

    monkeypatch.setattr(psycopg.Connection, "execute", counting)
    return found


@pytest.mark.shows("store.postgres-batches")
async def test_many_conversations_are_written_by_as_many_statements_as_one(
    store: PostgresStore, sent: Counter[str]
) -> None:
    async def say(*conversations: str) -> None:
        async with anyio.create_task_group() as tasks:
            for conversation in conversations:
                tasks.start_soon(store.log.record, conversation, heard(conversation))

    await say("local/warm")
    sent.clear()
    await say("local/one")
    alone = sent.copy()
    sent.clear()
    await say(*(f"local/{number}" for number in range(40)))
    commits = sent["COMMIT"]
    assert commits < 5
    assert sent["INSERT INTO log"] == sent["INSERT INTO words"] == sent["UPDATE conversations AS"] == commits
    assert sent.total() <= alone.total() * commits + 1  # numbers for new conversations


async def test_what_means_something_to_postgres_is_plain_text(store: PostgresStore) -> None:
    texts = (
        '"',
        "\\",
        "{a,b}",
        "NULL",
        "null",
        "",
        " ",
        "a\tb\n",
        "\0",
        "\ufdd0",
        "it's",
        "\\x00",
        "%s :name $1",
        "é中",
    )
    await store.log.record("local/a", *(heard(text, f"{number}{text}") for number, text in enumerate(texts)))
    entries = [each.entry for each in await store.log.load("local/a")]
    assert [each.text for each in entries if isinstance(each, Heard)] == list(texts)
    assert [each.text for each in await store.history.messages("local/a", limit=50)] == list(texts)
    found = await store.history.conversation("local/a")
    assert found is not None
    assert found.last_text == texts[-1]


def rows_read(database: Database) -> tuple[int, int]:
    """How many rows sessions that have ended wrote to logs, and how many they read by looking through whole tables."""
    with database.connect() as connection:
        row = connection.execute(
            "SELECT sum(n_tup_ins) FILTER (WHERE relname = 'log'), sum(seq_tup_read) FROM pg_stat_user_tables"
            " WHERE relname IN ('log', 'conversations', 'messages', 'procrastinate_jobs')"
        ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


async def test_what_is_written_is_found_by_its_key_though_the_table_was_small_when_that_was_planned(
    store_database: Database,
) -> None:
    written, read = rows_read(store_database)
    store = await open_store(store_database.url, clock=ManualClock(), delivered_by_commit=frozenset({"local"}))
    for number in range(60):
        await store.log.record(f"local/{number}", heard("hi"))
        await store.log.record(f"local/{number}", heard("hi again"))
    await store.close()
    with anyio.fail_after(SOON_S):
        while (now := rows_read(store_database))[0] < written + 120:  # noqa: ASYNC110 - a session tells at its end
            await anyio.sleep(0.05)
    assert now[1] - read < 120
