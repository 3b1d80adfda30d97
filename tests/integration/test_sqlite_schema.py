"""The schema of the SQLite store: how it comes to be, and what is refused."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from bridge_mcp.core.entries import Replied, Started, Summarised, Transcribed, Usage
from bridge_mcp.core.errors import NewerSchema, StoreError, StoreLost
from bridge_mcp.ports import FirstMessage
from bridge_mcp.stores.sqlite import SqliteStore, migrate
from tests.contract.store_kit import StoreClock, heard

HOME = Path(migrate.__file__).parent
NEWEST = len(migrate.migrations())

OPEN = """
import sys
from contextlib import closing
from pathlib import Path
from bridge_mcp.stores.sqlite.migrate import migrate
print("ready", flush=True)
sys.stdin.readline()
migrate(Path(sys.argv[1]))
"""


def schema(path: Path) -> str:
    """All that was created, in order of its name; FTS5 makes its own tables beside `words`."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'words!_%' ESCAPE '!'"
            " AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name"
        ).fetchall()
    connection.close()
    return "".join(f"{sql};\n\n" for (sql,) in rows)


def version(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return found


def test_the_schema_on_paper_is_what_all_migrations_make(tmp_path: Path) -> None:
    migrate.migrate(tmp_path / "bridge.db")
    on_paper = (HOME / "schema.sql").read_text(encoding="utf-8")
    assert on_paper == schema(tmp_path / "bridge.db"), "after a new migration, write what is on the right there"
    assert version(tmp_path / "bridge.db") == NEWEST


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    migrate.migrate(path)
    before = schema(path)
    migrate.migrate(path)
    assert schema(path) == before


def test_processes_that_come_at_once_migrate_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "bridge.db"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(5)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    results = [child.communicate(timeout=60) for child in children]
    assert [child.returncode for child in children] == [0] * 5, results
    assert not any(errors for _, errors in results), "a store that another process makes is no emptied one"
    assert version(path) == NEWEST
    assert schema(path) == (HOME / "schema.sql").read_text(encoding="utf-8")


@pytest.mark.shows("store.private")
def test_only_the_owner_may_read_a_new_store(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "bridge.db"
    migrate.migrate(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def files(folder: Path, *texts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(texts, start=1):
        (folder / f"{number:04}_step.sql").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.shows("store.migrations")
def test_only_what_is_missing_is_applied(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    first = "CREATE TABLE a (x); -- a comment; with a semicolon\nINSERT INTO a VALUES (';');"
    migrate.migrate(path, files(tmp_path / "one", first))
    second = "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM a; END;\nCREATE TABLE b (y)\n"
    migrate.migrate(path, files(tmp_path / "two", first, second))
    assert version(path) == 2
    assert "CREATE TABLE b (y)" in schema(path)


def test_a_migration_that_fails_leaves_the_version_before(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    with pytest.raises(StoreError, match="nonsense"):
        migrate.migrate(path, files(tmp_path / "sql", "CREATE TABLE a (x);", "CREATE TABLE b (y);\nnonsense;"))
    assert version(path) == 1
    assert schema(path) == "CREATE TABLE a (x);\n\n"


SUMS = """
def upgrade(connection):
    total = sum(number for (number,) in connection.execute("SELECT x FROM a"))
    connection.execute("CREATE TABLE sums (total)")
    connection.execute("INSERT INTO sums VALUES (?)", (total,))
"""

BREAKS = """
def upgrade(connection):
    connection.execute("DELETE FROM a")
    connection.execute("CREATE TABLE c (z)")
    {failure}
"""


def rows(path: Path, query: str) -> list[tuple[int, ...]]:
    with sqlite3.connect(path) as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


def test_files_of_sql_and_functions_are_one_history(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    folder = files(tmp_path / "steps", "CREATE TABLE a (x);\nINSERT INTO a VALUES (2), (3);")
    (folder / "0002_sums.py").write_text(SUMS, encoding="utf-8")
    (folder / "0003_more.sql").write_text("UPDATE sums SET total = total * 10;", encoding="utf-8")
    migrate.migrate(path, folder)
    assert (version(path), rows(path, "SELECT total FROM sums")) == (3, [(50,)])
    migrate.migrate(path, folder)
    assert (version(path), rows(path, "SELECT total FROM sums")) == (3, [(50,)])


@pytest.mark.parametrize(
    ("failure", "error"),
    [("raise ValueError('row 7')", ValueError), ("connection.execute('SELECT nothing')", StoreError)],
)
def test_a_function_that_fails_in_the_middle_leaves_the_store_as_it_was(
    tmp_path: Path, failure: str, error: type[Exception]
) -> None:
    path = tmp_path / "bridge.db"
    folder = files(tmp_path / "steps", "CREATE TABLE a (x);\nINSERT INTO a VALUES (2), (3);")
    broken = folder / "0002_breaks.py"
    broken.write_text(BREAKS.format(failure=failure), encoding="utf-8")
    (folder / "0003_later.sql").write_text("CREATE TABLE later (x);", encoding="utf-8")
    with pytest.raises(error):
        migrate.migrate(path, folder)
    assert (version(path), rows(path, "SELECT x FROM a")) == (1, [(2,), (3,)])
    assert schema(path) == "CREATE TABLE a (x);\n\n"
    broken.write_text(SUMS, encoding="utf-8")
    migrate.migrate(path, folder)
    assert (version(path), rows(path, "SELECT total FROM sums")) == (3, [(5,)])


def test_a_missing_number_is_told(tmp_path: Path) -> None:
    folder = files(tmp_path / "sql", "CREATE TABLE a (x);", "CREATE TABLE b (y);")
    (folder / "0001_step.sql").unlink()
    with pytest.raises(StoreError, match=r"\[2\]"):
        migrate.migrate(tmp_path / "bridge.db", folder)


@pytest.mark.shows("store.migrations")
def test_a_store_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    migrate.migrate(path)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {NEWEST + 3}")
    connection.close()
    with pytest.raises(NewerSchema) as caught:
        SqliteStore(path, clock=StoreClock())
    for part in (str(path), f"version {NEWEST + 3}", f"up to {NEWEST}", "Upgrade mcp-chat-bridge"):
        assert part in str(caught.value)
    assert version(path) == NEWEST + 3


BOARD: dict[str, object] = {
    "offset:family": 41,
    "offset:work": "none",
    "moved:family": {"7": "-100"},
    "topics:family": {"7/1": "garden ü", "7/2": None},
    "strangers:family": {
        "9": {"chat": "9/1", "at": 1000.5, "bare": "hello", "topic": "t", "heard": '{"kind":"Heard"}'},
        "8": {"from": "an older version"},
    },
    "undelivered": {"family/7": "blocked", "family/8": "gone"},
    "pins:files": {"tools": {"read": {"said": "Reads."}}},
    "pins:files:listed": {"tools": []},
    "accepted:files__read": {"digest": "sha256:00", "by": "owner"},
    "accepted:files__odd": None,
    "seals.key": "ab" * 32,
    "engine": {"pid": 1, "since": 2.0},
    "reload": 3.5,
}


@pytest.mark.shows("store.migrations")
async def test_what_stood_on_the_board_of_an_older_store_is_in_tables(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    older = tmp_path / "older"
    older.mkdir()
    for file in migrate.migrations()[:3]:
        shutil.copy(file, older)
    migrate.migrate(path, older)
    with sqlite3.connect(path) as connection:
        rows = [(name, json.dumps(body, ensure_ascii=False)) for name, body in BOARD.items()]
        connection.executemany("INSERT INTO board VALUES (?, ?)", [*rows, ("moved:odd", "{"), ("topics:odd", "[]")])
    connection.close()
    store = SqliteStore(path, clock=StoreClock())
    state = store.channel_state
    assert (await state.offset("family"), await state.offset("work")) == (41, None)
    assert (await state.first_chat_id("family", "-100"), await state.current_chat_id("family", "7")) == ("7", "-100")
    assert (await state.topic_title("family", "7/1"), await state.topic_title("family", "7/2")) == ("garden ü", "")
    assert await state.first_message("family", "9") == FirstMessage(
        "family", "9", "9/1", at=1000.5, bare="hello", topic="t", heard='{"kind":"Heard"}'
    )
    assert await state.first_message("family", "8") is None
    assert list((await state.undelivered()).items()) == [("family/7", "blocked"), ("family/8", "gone")]
    assert await store.tool_pins.load("files") == BOARD["pins:files"]
    assert await store.tool_pins.load("files:listed") == BOARD["pins:files:listed"]
    assert await store.tool_pins.accepted("files__read") == ("sha256:00", "owner")
    assert await store.tool_pins.accepted("files__odd") is None
    assert await store.secrets.get_or_create("task handles") == BOARD["seals.key"]
    assert (await store.status.get("engine"), await store.status.get("reload")) == (BOARD["engine"], 3.5)
    await store.close()


BEFORE_MODELS = """
CREATE TABLE before AS SELECT scope, day, sum(calls) AS calls, sum(input_tokens) AS input_tokens,
    sum(output_tokens) AS output_tokens, sum(cached_tokens) AS cached_tokens, sum(nano_usd) AS nano_usd,
    sum(unpriced) AS unpriced, sum(latency_ms) AS latency_ms FROM spending GROUP BY scope, day;
DROP TABLE spending;
ALTER TABLE before RENAME TO spending;
PRAGMA user_version = 11;
"""


@pytest.mark.shows("store.migrations")
async def test_what_models_took_is_summed_by_model_in_an_older_store(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    store = SqliteStore(path, clock=StoreClock())
    for number, usage in enumerate((Usage(100, 20, 50, cost_usd=0.0123, latency_s=1.5), Usage(), Usage(7, 1))):
        for kind in ("model", "summary", "voice"):
            await took(store, f"local/{number}", usage, kind=kind)
    taken = [await store.spending.between(0, 9, scope) for scope in ("", "local", "local/0", "local/1")]
    assert [(each.model, each.spent.calls) for each in taken[0]] == [("large", 3), ("small", 3), ("voice", 6)]
    await store.close()
    with sqlite3.connect(path) as connection:
        connection.executescript(BEFORE_MODELS)
    connection.close()
    store = SqliteStore(path, clock=StoreClock())
    assert [await store.spending.between(0, 9, scope) for scope in ("", "local", "local/0", "local/1")] == taken
    assert await store.verify() == ()
    await store.close()
    assert schema(path) == (HOME / "schema.sql").read_text(encoding="utf-8")


async def took(store: SqliteStore, conversation: str, usage: Usage, *, kind: str) -> None:
    """A call of a model, and what it took."""
    (came,) = await store.log.record(conversation, heard("hi", key=f"{conversation} {kind}"))
    if kind == "voice":
        words = Transcribed(came.seq, "hi", model="voice", usage=usage, calls=2)
        await store.log.record(conversation, words)
        return
    effect = "model" if kind == "model" else "summary"
    (begun,) = await store.log.intend(conversation, came.seq + 1, Started(effect, turn=came.seq))
    reply = Replied("ok", (), begun.seq, turn=came.seq, model="large", usage=usage)
    cut = Summarised("in short", came.seq, begun.seq, model="small", usage=usage)
    assert await store.log.answer(conversation, begun.seq, reply if kind == "model" else cut, wake=None) is not None


async def test_who_saw_that_the_store_was_migrated_writes_nothing_more(tmp_path: Path) -> None:
    """Whichever part of it saw that: its version is looked at some times a second, by each connection."""
    path = tmp_path / "bridge.db"
    store = SqliteStore(path, clock=StoreClock())
    await store.log.record("local/a", heard("before"))
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA user_version = {NEWEST + 1}")
    seen = 0
    for _ in range(100):
        try:
            await store.log.load("local/a")
        except StoreLost:
            seen += 1
            with pytest.raises(StoreLost, match="schema version"):
                await store.log.record("local/a", heard("after"))
        await anyio.sleep(0.01)
    assert seen > 50, "it does not forget what it has seen"
    await store.close()
    assert rows(path, "SELECT count(*) FROM log") == [(1,)]


def test_the_version_of_a_store_can_be_asked_without_touching_it(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    assert migrate.schema_version(path) is None
    assert not path.exists()
    migrate.migrate(path, files(tmp_path / "sql", "CREATE TABLE a (x);"))
    assert migrate.schema_version(path) == 1
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {NEWEST + 3}")
    connection.close()
    with pytest.raises(NewerSchema):
        migrate.schema_version(path)
    (tmp_path / "notes.txt").write_text("no database at all, but long enough to look like one" * 100)
    with pytest.raises(StoreError):
        migrate.schema_version(tmp_path / "notes.txt")


@pytest.mark.shows("store.strange-files")
def test_what_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no database at all, but long enough to look like one" * 100)
    with pytest.raises(StoreError, match=r"notes\.txt") as caught:
        SqliteStore(text, clock=StoreClock())
    assert caught.value.fix
    assert text.read_text().startswith("no database")
    alien = tmp_path / "alien.db"
    with sqlite3.connect(alien) as connection:
        connection.execute("CREATE TABLE photos (x)")
    connection.close()
    with pytest.raises(StoreError, match="something else"):
        SqliteStore(alien, clock=StoreClock())
    assert "photos" in schema(alien)
    assert "conversations" not in schema(alien)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"bridge\.db") as caught:
        SqliteStore(tmp_path / "file" / "bridge.db", clock=StoreClock())
    assert caught.value.fix


async def test_a_store_can_be_opened_without_an_event_loop_and_used_in_one(tmp_path: Path) -> None:
    opened = SqliteStore(tmp_path / "bridge.db", clock=StoreClock())
    await opened.log.record("local/main", heard())
    assert len(await opened.log.load("local/main")) == 1
    await opened.close()
