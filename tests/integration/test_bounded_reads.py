"""No read of the service gets dearer with what is stored, by rows and by steps of the database."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from bridge_mcp.core.entries import Call, Finished, Heard, Posted, Question, Replied, Sender, Started
from bridge_mcp.core.grants import Grant
from bridge_mcp.operations import conversations
from bridge_mcp.operations.recent_log import LogCache
from bridge_mcp.ports import ChannelRules
from bridge_mcp.stores.sqlite.session import Row, Session
from bridge_mcp.testing import FakeModel, FakeToolbox, calls, says
from bridge_mcp.toolservers.read_result import result_text
from tests.integration.setup import ANN, HOST, OWNER, World, rules_for, world

pytestmark = pytest.mark.sqlite_only(
    "it counts the steps of SQLite; test_postgres_plans looks at the plans of Postgres"
)

CHAT = "local/relay"
RELAY = rules_for(channels={name: ChannelRules(name, "relay") for name in ("local", "family")})
FEW, MANY = 1_000, 100_000
STEPS = 50

Read: TypeAlias = Callable[[World], Awaitable[object]]

READS: dict[str, Read] = {
    "list_channels": lambda it: it.bridge.list_channels(OWNER),
    "list_conversations": lambda it: it.bridge.list_conversations(OWNER),
    "list_conversations of a title": lambda it: it.bridge.list_conversations(OWNER, query="relay"),
    "the last messages": lambda it: it.bridge.read_messages(OWNER, CHAT, limit=5, calls=True),
    "messages in the middle": lambda it: it.bridge.read_messages(
        OWNER, CHAT, before=f"{CHAT}#500", limit=5, calls=True
    ),
    "messages at the beginning": lambda it: it.bridge.read_messages(
        OWNER, CHAT, before=f"{CHAT}#9", limit=5, calls=True
    ),
    "search_messages": lambda it: it.bridge.search_messages(OWNER, "zebra"),
    "the newest events": lambda it: it.bridge.wait_for_events(OWNER),
    "events from the beginning": lambda it: it.bridge.wait_for_events(OWNER, after=0, limit=20),
    "a turn that is over": lambda it: it.bridge.wait_for(OWNER, f"turn:{CHAT}#0"),
    "a turn that is open": lambda it: it.bridge.wait_for(OWNER, "turn:local/open#0"),
    "a message that nobody was asked to answer": lambda it: it.bridge.wait_for(OWNER, f"turn:{CHAT}#20"),
    "a question that is open": lambda it: it.bridge.wait_for(OWNER, f"question:{CHAT}#5"),
    "a question that was answered": lambda it: it.bridge.wait_for(OWNER, f"question:{CHAT}#6"),
    "a ticket of one's own": lambda it: it.bridge.follow(HOST, f"question:{CHAT}#5"),
    "list_approvals": lambda it: it.bridge.list_approvals(OWNER, conversation=CHAT),
    "list_tools": lambda it: it.bridge.list_tools(OWNER),
    "get_status": lambda it: it.bridge.get_status(OWNER),
    "get_conversation": lambda it: it.bridge.get_conversation(OWNER, CHAT),
    "get_conversation of an open turn": lambda it: it.bridge.get_conversation(OWNER, "local/open"),
    "read_log": lambda it: it.bridge.read_log(OWNER, CHAT, limit=20),
    "a result that the assistant reads on": lambda it: result_text(it.store.log, CHAT, "1.0"),
    "the tail for the engine": lambda it: LogCache(it.store.log).get(CHAT, 50),
    "stop": lambda it: conversations.stop(it.store, it.clock, CHAT, "ann"),
    "a message comes in": lambda it: it.say("hello", CHAT),
}
"""The last ones change something: they stay the last."""


async def fill(it: World, path: Path, count: int) -> None:
    """A turn with a call, two questions, and so many messages behind them that the assistant has nothing to do with."""
    log = it.store.log
    await log.record(CHAT, Heard("a zebra", ANN, "first"))
    await log.intend(CHAT, 1, Started("model", turn=0))
    await log.answer(CHAT, 1, Replied("", (Call("1.0", "files__list", "{}"),), 1, turn=0))
    await log.record(CHAT, Finished("1.0", "ok", "a.txt"), Heard("and?", ANN, "second", to="relay"))
    for number in range(2):
        await log.record(CHAT, Posted(f"question {number}?", HOST_SENDER, f"q{number}", question=Question()))
    await log.record(CHAT, Heard("the answer", ANN, "third", to="relay", answers=6))
    await log.intend(CHAT, 8, Started("model", turn=0))
    await log.answer(CHAT, 8, Replied("done", upto=8, turn=0), wake=None)
    await log.record("local/open", Heard("hi", ANN, "m"))
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in CHATTER:
            connection.execute(statement, {"chat": CHAT, "first": 10, "count": count})


HOST_SENDER = Sender("host", "host", "client")

NUMBERS = """
WITH RECURSIVE number (i) AS (
    SELECT :first UNION ALL SELECT i + 1 FROM number WHERE i + 1 < :first + :count
)
"""
CHATTER = (
    """INSERT INTO log (conversation, seq, at, key, body, link)"""
    + NUMBERS
    + """SELECT c.id, i, c.at, 'heard:b' || i,
        '{"v":1,"kind":"Heard","text":"message ' || i || '","sender":{"id":"7"},"key":"b' || i || '","to":"relay"}', x''
        FROM number JOIN conversations AS c ON c.name = :chat""",
    """INSERT INTO messages (conversation, seq, status)"""
    + NUMBERS
    + "SELECT c.id, i, 'received' FROM number JOIN conversations AS c ON c.name = :chat",
    """INSERT INTO events (type, conversation, seq)""" + NUMBERS + "SELECT 'message.received', :chat, i FROM number",
    "UPDATE conversations SET head = :first + :count, messages = messages + :count WHERE name = :chat",
    "INSERT INTO words (rowid, text, place)"
    " SELECT m.id, CASE WHEN m.seq = 0 THEN 'a zebra' ELSE 'message' END, 'c' || m.conversation FROM messages AS m",
    "UPDATE indexed SET upto = (SELECT max(id) FROM messages)",
)


async def costs(folder: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """Rows read, and steps that the database took (in hundreds), of each read."""
    rows = steps = 0
    plain = Session.rows

    def counted(self: Session, statement: str, /, **values: Any) -> list[Row]:
        nonlocal rows

        def step() -> int:
            nonlocal steps
            steps += 1
            return 0

        self.connection.set_progress_handler(step, 100)
        found = plain(self, statement, **values)
        self.connection.set_progress_handler(None, 0)
        rows += len(found)
        return found

    monkeypatch.setattr(Session, "rows", counted)
    found: dict[str, tuple[int, int]] = {}
    async with world(folder, rules=RELAY, engine=False) as it:
        await fill(it, folder / "bridge.db", count)
        for name, read in READS.items():
            rows = steps = 0
            await read(it)
            found[name] = rows, steps
    monkeypatch.undo()
    return found


async def grants_cost(folder: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Rows read, and steps of the database (in tens), to find which grants cover the open calls of a conversation."""
    rows = steps = 0
    plain = Session.rows

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    def counted(self: Session, statement: str, /, **values: Any) -> list[Row]:
        nonlocal rows
        if "grants" not in statement:
            return plain(self, statement, **values)
        self.connection.set_progress_handler(step, 10)
        found = plain(self, statement, **values)
        self.connection.set_progress_handler(None, 0)
        rows += len(found)
        return found

    toolbox = FakeToolbox()

    @toolbox.tool("files__tool0")
    async def _tool(arguments: object) -> str:
        return "done"

    model = FakeModel([calls(("files__tool0", {"path": "notes/a"})), says("Done.")])
    async with world(folder, model, toolbox, engine=False) as it:
        for number in range(count):
            where, ends = f"family/{number}", time.time() + 600 if number % 2 else 0.0
            tool = f"files__tool{number % 5}"
            await it.store.grants.add(
                Grant(0, tool, where, arguments=(("path", "notes/*"),), expires_at=ends, created_at=time.time())
            )
        await it.store.grants.add(Grant(0, "files__tool0", "local", arguments=(("path", "notes/*"),)))
        monkeypatch.setattr(Session, "rows", counted)
        async with it.engine_with(toolbox):
            assert await it.settled("go") == "Done."
        monkeypatch.undo()
    assert toolbox.count("files__tool0") == 1
    return rows, steps


async def test_looking_for_a_grant_does_not_grow_with_the_grants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("few", "many"):
        (tmp_path / name).mkdir()
    few = await grants_cost(tmp_path / "few", 10, monkeypatch)
    many = await grants_cost(tmp_path / "many", 1_000, monkeypatch)
    assert few[0] > 0
    assert many[0] <= few[0] + 3
    assert many[1] <= few[1] + 30


@pytest.mark.shows("store.flat")
async def test_no_read_grows_with_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "few").mkdir()
    (tmp_path / "many").mkdir()
    few = await costs(tmp_path / "few", FEW, monkeypatch)
    many = await costs(tmp_path / "many", MANY, monkeypatch)
    # Once a message that nobody answers was looked for as far as one look goes, the next one goes on from there.
    most = {"a message that nobody was asked to answer": (2_600, 700)}
    grown = {
        name: (few[name], many[name])
        for name in READS
        if many[name][0] > max(few[name][0] + 5, most.get(name, (0, 0))[0])
        or many[name][1] > max(few[name][1] + STEPS, most.get(name, (0, 0))[1])
    }
    assert grown == {}
