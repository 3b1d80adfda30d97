"""The search: words of every script, the texts as they are now, and stores of before."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_mcp.core.entries import Edited, Heard, Posted, Question, Replied, Requested, Revised, Sender, Started
from bridge_mcp.stores.sqlite import migrate, open_store
from bridge_mcp.stores.sqlite.verify import verify
from bridge_mcp.testing import ManualClock
from tests.contract.store_kit import without_salt
from tests.unit.logs import ANN

CHAT = "family/1"
HOST = Sender("host", "host", "client")


async def found(store_path: Path, *queries: str) -> list[list[str]]:
    store = await open_store(store_path, clock=ManualClock())
    try:
        return [[m.text for m in await store.history.search(query)] for query in queries]
    finally:
        await store.close()


async def test_words_of_scripts_without_spaces_are_found_wherever_they_stand(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "bridge.db", clock=ManualClock())
    texts = (
        "我们星期二在北京见面吃饭",
        "会議は火曜日に東京で行います",
        "カレーを食べたい、ｶﾚｰ",
        "학교에서 만나요",
        "Das AI技术 Treffen",
        "京北 is the other way round",
    )
    for number, text in enumerate(texts):
        await store.log.record(CHAT, Heard(text, ANN, f"m{number}"))
    for query, wanted in {
        "北京": 0,
        "见面": 0,
        "我们星期二在北京见面吃饭": 0,
        "火曜日": 1,
        "東京": 1,
        "カレー": 2,
        "ｶﾚｰ": 2,
        "학교": 3,
        "ai技术": 4,
        "技术 treffen": 4,
        "北京 吃饭": 0,
    }.items():
        assert [m.text for m in await store.history.search(query)] == [texts[wanted]], query
    assert await store.history.search("京都") == ()
    await store.close()


async def test_an_edited_text_is_found_and_the_one_before_it_is_not(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "bridge.db", clock=ManualClock())
    await store.log.record(CHAT, Heard("we meet on tuesday", ANN, "m1"), Posted("see you tuesday", HOST, "p1"))
    await store.log.record(CHAT, Edited(0, "we meet on friday", "m1:1"))  # before it is in the index
    assert [m.text for m in await store.history.search("tuesday")] == ["see you tuesday"]
    await store.log.record(CHAT, Revised(1, "see you on sunday", HOST, key="r1"))  # and after
    await store.log.record(CHAT, Edited(0, "we meet on monday", "m1:2"))
    assert await store.history.search("tuesday") == await store.history.search("friday") == ()
    assert [m.text for m in await store.history.search("sunday")] == ["see you on sunday"]
    assert [m.text for m in await store.history.search("monday")] == ["we meet on monday"]
    await store.log.record(CHAT, Edited(7, "of nothing", "m9:2"), Edited(0, "a\0b 北京", "m1:3"))
    assert [m.text for m in await store.history.search("b 京")] == ["a\0b 北京"]
    await store.close()
    assert verify(tmp_path / "bridge.db") == ()


WORDS = st.sampled_from(["tea", "milk", "北京", "京", "曜日", "été", "x_y", "東", "Tea"])
TEXTS = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
ACTS = st.lists(st.tuples(st.sampled_from(["say", "edit", "search"]), st.integers(0, 5), TEXTS), max_size=25)


@settings(max_examples=25)
@given(ACTS)
def test_whatever_is_edited_and_when_the_index_holds_the_texts_as_they_are(acts: list[tuple[str, int, str]]) -> None:
    anyio.run(play, acts)


async def play(acts: list[tuple[str, int, str]]) -> None:
    async with anyio.TemporaryDirectory() as folder:
        path = Path(folder) / "bridge.db"
        store = await open_store(path, clock=ManualClock())
        texts: dict[int, str] = {}
        for number, (what, which, text) in enumerate(acts):
            if what == "say":
                (recorded,) = await store.log.record(CHAT, Heard(text, ANN, f"m{number}"))
                texts[recorded.seq] = text
            elif what == "edit" and texts:
                seq = sorted(texts)[which % len(texts)]
                await store.log.record(CHAT, Edited(seq, text, f"e{number}"))
                texts[seq] = text
            word = text.split()[0]
            told = {m.seq for m in await store.history.search(word)} if what == "search" else None
            assert told is None or told == {seq for seq, text in texts.items() if holds(text, word)}
        await store.close()
        with sqlite3.connect(path) as connection:
            connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        connection.close()


def holds(text: str, word: str) -> bool:
    """Whether a search for the word finds the text."""
    if word.isascii() or word == "été":
        return word.casefold() in text.casefold().split()
    return any(word in part for part in text.split())


# -- a store of before ------------------------------------------------------------------------------------------

OLDER = """
CREATE TABLE board (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
ALTER TABLE conversations DROP COLUMN unsettled;
ALTER TABLE conversations DROP COLUMN heard;
ALTER TABLE conversations DROP COLUMN cleared;
ALTER TABLE messages DROP COLUMN expires_at;
ALTER TABLE log DROP COLUMN salt;
ALTER TABLE log DROP COLUMN digest;
ALTER TABLE messages DROP COLUMN answered;
INSERT INTO words (words) VALUES ('delete-all');
INSERT INTO words (rowid, text, place) SELECT m.id, json_extract(l.body, '$.text'), 'c1'
    FROM messages AS m JOIN log AS l ON l.conversation = m.conversation AND l.seq = m.seq;
PRAGMA user_version = 1;
"""


def drop_what_is_newer(connection: sqlite3.Connection) -> None:
    """Drop every view, index and table that the first version of the store did not have."""
    first = sqlite3.connect(":memory:")
    first.executescript((Path(migrate.__file__).parent / "migrations" / "0001_initial.sql").read_text("utf-8"))
    kept = {name for (name,) in first.execute("SELECT name FROM sqlite_schema")}
    first.close()
    order = "SELECT type, name FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type = 'table', type = 'index'"
    for kind, name in connection.execute(order).fetchall():
        if name not in kept:
            connection.execute(f"DROP {kind} IF EXISTS {name}")


async def test_a_store_of_before_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    store = await open_store(path, clock=ManualClock())
    log = store.log
    await log.record(CHAT, Heard("on tuesday in 北京", ANN, "m1"), Edited(0, "on friday in 東京都", "m1:1"))
    await log.intend(CHAT, 2, Started("model", turn=0))
    await log.answer(CHAT, 2, Replied("fine", upto=2, turn=0))
    await log.record(CHAT, *[Heard(f"chatter {n}", ANN, f"c{n}", to="off") for n in range(10)])
    await log.record(
        "family/2", Posted("which?", HOST, "q1", question=Question((), 9e9)), Heard("a", ANN, "m", answers=0)
    )
    await log.record("family/2", Posted("open?", HOST, "q2", question=Question((), 9e9)))
    await log.record("family/3", Heard("one", ANN, "m1"), Heard("two", ANN, "m2"))
    await log.record("calls/host.1", Requested((), "host"))
    names = (CHAT, "family/2", "family/3", "calls/host.1")
    before = [await log.unsettled(name) for name in names]
    assert before == [None, None, 0, 0]
    await store.close()
    with sqlite3.connect(path) as connection:
        without_salt(connection)
        drop_what_is_newer(connection)
        connection.executescript(OLDER)
    connection.close()
    assert migrate.schema_version(path) == 1

    store = await open_store(path, clock=ManualClock())
    assert [await store.log.unsettled(name) for name in names] == before
    assert await store.traces.answer("family/2", 0) == 1
    assert [m.text for m in await store.history.questions("family/2", 1_000.0)] == ["open?"]
    assert [m.text for m in await store.history.search("東京")] == ["on friday in 東京都"]
    assert await store.history.search("tuesday") == ()
    await store.log.record(CHAT, Edited(0, "on monday", "m1:2"))
    assert [m.text for m in await store.history.search("monday")] == ["on monday"]
    await store.close()
    assert verify(path) == ()
