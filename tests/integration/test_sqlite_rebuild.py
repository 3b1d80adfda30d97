"""A store that differs from its logs is rebuilt from them; whoever is killed meanwhile leaves nothing half."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from bridge_mcp.core.entries import Delivered, message_id
from bridge_mcp.core.grants import Grant
from bridge_mcp.stores.sqlite import open_store, verify
from bridge_mcp.stores.sqlite.rebuild import Rebuilt, rebuild
from tests.contract.store_kit import StoreClock, asked, heard, judged, posted, rows_of, say
from tests.integration.test_sqlite_verify import DAMAGES, HERE, damage, path

__all__ = ["path"]

LOCAL = frozenset({"local"})
FOR_GOOD = {sql for sql, _ in DAMAGES if ("UPDATE log" in sql and "key" not in sql) or "FROM log" in sql}
"""Damage of the logs themselves, which nothing else can tell."""


def rebuilt(path: Path) -> Rebuilt:
    return rebuild(path, 2000.0, LOCAL)


@pytest.mark.shows("store.rebuild")
@pytest.mark.parametrize("sql", [sql for sql, _ in DAMAGES if sql not in FOR_GOOD])
async def test_whatever_is_wrong_beside_the_logs_is_mended(path: Path, sql: str) -> None:
    before = rows_of(path)
    damage(path, sql)
    assert verify(path) != ()
    done = rebuilt(path)
    assert verify(path) == ()
    assert (done.conversations, done.entries, done.skipped) == (2, 26, [])
    after = rows_of(path)
    if "events" not in sql and "seq = 4" not in sql:
        for table in before.keys() - {"messages", "approvals"}:
            assert after[table] == before[table], table


@pytest.mark.parametrize("sql", sorted(FOR_GOOD))
async def test_what_is_wrong_in_a_log_is_left_and_said(path: Path, sql: str) -> None:
    damage(path, sql)
    before = verify(path)
    done = rebuilt(path)
    assert all(line.startswith(HERE) for line in (*verify(path), *done.skipped))
    assert verify(path)[0] == before[0]
    assert len(done.skipped) == ("SET body" in sql)
    assert rebuilt(path) == done


EVERYTHING = """
DELETE FROM messages; DELETE FROM platform_ids; DELETE FROM buttons; DELETE FROM approvals; DELETE FROM spending;
DELETE FROM events; DELETE FROM indexed; UPDATE log SET key = NULL;
UPDATE conversations SET channel = '', due_since = 1, head = 0, at = 0, tip = x'', calling = 1,
    woken = 9, wake_at = 9e9,
    title = 'x', responder = NULL, messages = 7, last_at = 0, last_text = '', unsettled = NULL, heard = 0,
    cleared = 5;
INSERT INTO words (words) VALUES ('delete-all');
INSERT INTO messages (conversation, seq, status) VALUES (77, 1, 'queued');
INSERT INTO spending VALUES ('no/one', 0, 'm', 1, 1, 1, 1, 1, 1, 1);
"""


async def test_of_everything_beside_the_logs_nothing_need_be_left(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(EVERYTHING)
    assert len(verify(path)) > 50
    assert rebuilt(path).entries == 26
    assert verify(path) == ()
    store = await open_store(path, clock=StoreClock(), delivered_by_commit=LOCAL)
    assert [message.text for message in await store.history.search("well", conversation=HERE)] == ["I am well."]
    assert [each.id for each in (await store.history.conversations())[0]] == ["local/main", HERE]
    assert await store.agenda.due(2000.0, 10) == (HERE, "local/main")
    unsure = await store.outbox.stranded()
    assert [(each.conversation, each.seq) for each in unsure] == [(HERE, 4)], "nobody knows whether it went out"
    (again,) = await store.log.record(HERE, heard("yes", answers=3))
    assert not again.new, "keys are known again"
    await store.close()


@pytest.mark.shows("store.rebuild")
async def test_how_far_sending_is_and_what_was_granted_or_revoked_are_kept(path: Path) -> None:
    store = await open_store(path, clock=StoreClock(), delivered_by_commit=LOCAL)
    await store.log.record(HERE, posted("long", key="p1"), posted("next", key="p2"), posted("third", key="p3"))
    await store.outbox.begin(HERE, 4)
    await store.outbox.progress(HERE, 4, 1, ("100",))
    await store.outbox.postpone(HERE, 4, 5000.0, "flood")
    await store.log.record(HERE, asked("2.0", "files__read"), judged("2.0", "approved", remember="always"))
    (made,) = await store.grants.active(1000.0)
    await store.grants.revoke(made.id)
    kept = await store.grants.add(Grant(0, "files__write", by="ann", created_at=1000.0))
    queued = await store.history.messages(HERE)
    await store.close()
    before = rows_of(path)
    rebuilt(path)
    assert rows_of(path) == before
    store = await open_store(path, clock=StoreClock(), delivered_by_commit=LOCAL)
    assert await store.history.messages(HERE) == queued
    assert await store.grants.active(1000.0) == (kept,)
    await store.close()


async def test_readers_of_the_feed_go_on_where_they_were(path: Path) -> None:
    store = await open_store(path, clock=StoreClock(), delivered_by_commit=LOCAL)
    page = await store.feed.read(0, 100)
    await store.feed.acknowledge("host/all", page.cursor)
    await store.close()
    damage(path, f"DELETE FROM events WHERE conversation = '{HERE}' AND seq = 2")
    rebuilt(path)
    store = await open_store(path, clock=StoreClock(), delivered_by_commit=LOCAL)
    late = await store.feed.read(page.cursor, 100)
    (missing,) = [event for event in page.events if event.body.get("message") == message_id(HERE, 2)][:1]
    assert [replace(event, cursor=0) for event in late.events] == [replace(missing, cursor=0)]
    assert not late.gap
    assert [event for event in (await store.feed.read(0, 100)).events if event.cursor <= page.cursor] == [
        event for event in page.events if event != missing
    ]
    await store.close()


async def test_what_was_pruned_is_not_told_again(path: Path) -> None:
    store = await open_store(path, clock=StoreClock(), delivered_by_commit=LOCAL)
    await store.feed.prune(4)
    before = await store.feed.read(3, 100)
    await store.close()
    rebuilt(path)
    store = await open_store(path, clock=StoreClock(), delivered_by_commit=LOCAL)
    assert await store.feed.read(3, 100) == before
    await store.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from bridge_mcp.stores.sql import replay
from bridge_mcp.stores.sqlite import rebuild
finish = replay.Replay.finish
def cut(self, now):
    if self.name == "local/main":
        os.kill(os.getpid(), signal.SIGKILL)
    finish(self, now)
replay.Replay.finish = cut
rebuild.rebuild(Path(sys.argv[1]), 2000.0, frozenset({"local"}))
"""


@pytest.mark.shows("store.rebuild")
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
async def test_whoever_is_killed_in_the_middle_leaves_nothing_half(path: Path) -> None:
    damage(path, "UPDATE messages SET status = 'failed', reason = 'x'")
    damage(path, "UPDATE approvals SET tool = 'x'")
    wrong = verify(path, "local/main")
    killed = await anyio.run_process([sys.executable, "-c", KILLED, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert verify(path, HERE) == (), "this one was done"
    assert verify(path, "local/main") == wrong, "this one is as it was"
    store = await open_store(path, clock=StoreClock(), delivered_by_commit=LOCAL)
    assert len(await store.history.search("well")) == 2, "the index begins anew by itself"
    await say(store, HERE, "it works")
    await store.log.record(HERE, Delivered(4, "sent", ("12",)))
    await store.close()
    rebuilt(path)
    assert verify(path) == ()


async def test_progress_is_told(path: Path) -> None:
    told = list[tuple[int, int]]()
    rebuild(path, 2000.0, LOCAL, lambda done, of: told.append((done, of)))
    assert told == [(0, 2), (1, 2), (2, 2)]
