"""`verify` finds whatever differs from the logs; and entries of a newer version are refused one by one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bridge_mcp.core.entries import Configured, Delivered, Failed, Question
from bridge_mcp.core.errors import NewerSchema, StoreError
from bridge_mcp.stores.sqlite import SqliteStore, open_store, verify
from tests.contract.store_kit import StoreClock, asked, heard, judged, model_started, posted, say, turn

HERE = "family/1"
MADE: list[bytes] = []


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A store with something of everything in it: made once, and copied."""
    path = tmp_path / "bridge.db"
    if MADE:
        path.write_bytes(MADE[0])
        return path
    store = await open_store(path, clock=StoreClock(), delivered_by_commit=frozenset({"local"}))
    for conversation in (HERE, "local/main"):
        await turn(store, conversation)
        await store.log.record(
            conversation,
            posted("a?", question=Question()),
            posted("b?", question=Question()),
            heard("yes", answers=3),
            Configured("ann", "off"),
        )
        await store.log.intend(conversation, 7, asked("1.0"), asked("1.1"), model_started(), wake=None)
        await store.log.record(
            conversation,
            judged("1.0", "rejected", note="no"),
            Delivered(2, "sent", ("11",)),
            Failed("deliver", 3, "gone"),
        )
    await store.close()
    MADE.append(path.read_bytes())
    return path


def damage(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(sql).rowcount > 0
        connection.commit()


async def test_a_good_store_has_no_findings(path: Path) -> None:
    assert verify(path) == ()
    assert verify(path, HERE) == ()
    store = SqliteStore(path, clock=StoreClock())
    assert await store.verify() == await store.verify(HERE) == ()
    await store.close()


FIRST = "conversation = (SELECT id FROM conversations WHERE name = 'family/1')"


DAMAGES = [
    (f"DELETE FROM log WHERE {FIRST} AND seq = 1", "entry 2: entry 1 is missing"),
    (f"UPDATE log SET at = 5 WHERE {FIRST} AND seq = 1", "entry 1: its seal is broken"),
    (f"UPDATE log SET key = 'heard:x' WHERE {FIRST} AND seq = 0", "its key is 'heard:x'"),
    (f"UPDATE log SET key = NULL WHERE {FIRST} AND seq = 0", "its key is None"),
    (f"UPDATE log SET body = '{{' WHERE {FIRST} AND seq = 1", "entry 1"),
    (f'UPDATE log SET body = \'{{"v":99,"kind":"X"}}\' WHERE {FIRST} AND seq = 1', "version 99"),
    ("UPDATE conversations SET head = 3 WHERE name = 'family/1'", "next entry is 3"),
    ("UPDATE conversations SET at = 3 WHERE name = 'family/1'", "time is 3"),
    ("UPDATE conversations SET calling = NULL WHERE name = 'family/1'", "open model call is None"),
    ("UPDATE conversations SET woken = 3 WHERE name = 'family/1'", "wakes is 3"),
    ("UPDATE conversations SET title = 'X' WHERE name = 'family/1'", "title is 'X'"),
    ("UPDATE conversations SET responder = NULL WHERE name = 'family/1'", "responder is None"),
    ("UPDATE conversations SET messages = 3 WHERE name = 'family/1'", "number of messages is 3"),
    ("UPDATE conversations SET last_at = 3 WHERE name = 'family/1'", "last time is 3"),
    ("UPDATE conversations SET last_text = 'X' WHERE name = 'family/1'", "last text is 'X'"),
    (f"DELETE FROM messages WHERE {FIRST} AND seq = 0", "message 0"),
    ("INSERT INTO messages (conversation, seq, status) SELECT id, 1, 'sent' FROM conversations", "message 1"),
    (f"UPDATE messages SET status = 'sent' WHERE {FIRST} AND seq = 0", "message 0"),
    (f"UPDATE messages SET status = 'failed' WHERE {FIRST} AND seq = 4", "message 4"),
    (f"UPDATE messages SET status = 'uncertain' WHERE {FIRST} AND seq = 2", "message 2"),
    (f"UPDATE messages SET platform_ids = '[]' WHERE {FIRST} AND seq = 2", "message 2"),
    (f"UPDATE messages SET reason = '' WHERE {FIRST} AND seq = 3", "message 3"),
    (f"UPDATE messages SET asks = 1 WHERE {FIRST} AND seq = 3", "question 3"),
    (f"UPDATE messages SET asks = 0 WHERE {FIRST} AND seq = 4", "question 4"),
    (f"DELETE FROM approvals WHERE {FIRST} AND asked = 7", "approval ap_"),
    (f"UPDATE approvals SET status = 'waiting' WHERE {FIRST} AND asked = 7", "approval ap_"),
    (f"UPDATE approvals SET judged = 10, status = 'approved' WHERE {FIRST} AND asked = 8", "approval ap_"),
    (f"UPDATE approvals SET tool = 'x' WHERE {FIRST} AND asked = 8", "approval ap_"),
    ("DELETE FROM events WHERE conversation = 'family/1' AND seq = 2", "entry 2: the feed does not tell of it"),
    ("UPDATE events SET type = 'tool.started' WHERE conversation = 'family/1' AND seq = 0", "tells tool.started"),
    ("INSERT INTO events (type, conversation, seq) VALUES ('message.sent', 'family/1', 3)", "1 entries twice"),
    ("INSERT INTO events (type, conversation, seq) VALUES ('message.sent', 'no/one', 3)", "no such conversation"),
]
"""What can be wrong, and what is said of it."""


@pytest.mark.shows("store.chain")
@pytest.mark.parametrize(("sql", "finding"), DAMAGES)
async def test_every_damage_is_found_and_named(path: Path, sql: str, finding: str) -> None:
    damage(path, sql)
    lines = verify(path)
    assert any(finding in line for line in lines), lines
    assert all(line.startswith(("family/1", "local/main", "no/one")) for line in lines)
    if "no/one" not in sql:
        assert any(finding in line for line in verify(path, HERE))
    if "SELECT id" not in sql:
        assert verify(path, "local/main") == ()


@pytest.mark.parametrize(
    ("sql", "findings"),
    [
        ("UPDATE spending SET calls = 9 WHERE scope = 'family/1'", ["family/1, ", "channel family, ", "the bridge, "]),
        ("DELETE FROM spending WHERE scope = 'family'", ["channel family, spending of day 0, model unknown: stored"]),
        ("UPDATE spending SET nano_usd = 1 WHERE scope = ''", ["the bridge, spending of day 0"]),
        ("UPDATE spending SET day = 3 WHERE scope = 'local'", ["channel local, spending of day 0", "of day 3"]),
    ],
)
async def test_sums_that_are_off_are_found(path: Path, sql: str, findings: list[str]) -> None:
    damage(path, sql)
    lines = verify(path)
    assert len(lines) == len(findings), lines
    for finding in findings:
        assert any(finding in line for line in lines), lines


async def test_pruned_events_are_no_findings(path: Path) -> None:
    store = SqliteStore(path, clock=StoreClock())
    await store.feed.prune(4)
    assert await store.verify() == ()
    await store.feed.prune(10**9)
    assert await store.verify() == ()
    await store.close()


async def test_what_is_not_there_is_said(path: Path) -> None:
    assert verify(path, "local/nobody") == ("local/nobody: there is no such conversation",)


async def test_an_entry_of_a_newer_version_stops_those_who_need_it_and_nobody_else(path: Path) -> None:
    damage(path, f'UPDATE log SET body = \'{{"v":99,"kind":"Heard","text":"x"}}\' WHERE {FIRST} AND seq = 0')
    store = await open_store(path, clock=StoreClock(), delivered_by_commit=frozenset({"local"}))
    with pytest.raises(NewerSchema, match="family/1, entry 0") as caught:
        await store.log.load(HERE)
    assert "99" in str(caught.value)
    assert "Upgrade" in str(caught.value)
    assert [logged.seq for logged in await store.log.load(HERE, after=10)] == [11, 12]
    await say(store, HERE, *(f"still here {n}" for n in range(100)))
    assert len(await store.history.search("still", limit=200)) == 100
    assert len(await store.log.load("local/main")) == 13
    await store.close()


async def test_a_damaged_entry_is_named(path: Path) -> None:
    damage(path, f"UPDATE log SET body = 'x' WHERE {FIRST} AND seq = 2")
    store = await open_store(path, clock=StoreClock())
    with pytest.raises(StoreError, match="family/1, entry 2") as caught:
        await store.log.load(HERE)
    assert not isinstance(caught.value, NewerSchema)
    await say(store, HERE, *(f"still here {n}" for n in range(100)))
    assert len(await store.history.search("still", limit=200)) == 100
    await store.close()
