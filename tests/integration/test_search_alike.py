"""One tokenizer for both stores: the same queries find the same messages, whatever is written, edited and asked."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_mcp.core.entries import Edited, Heard
from bridge_mcp.core.words import holds, parse_query, terms
from bridge_mcp.stores import postgres, sqlite
from bridge_mcp.testing import ManualClock
from tests.contract.store_kit import ANN
from tests.servers.postgres import Database

PIECES = st.sampled_from(
    [
        *("tea", "Tea", "milk", "été", "ETE", "naïve", "straße", "x_y", "foo-bar", "foo", "bar", "3.14", "a@b.c"),
        *(
            "ＡＢ",
            "ab",
            "北京",
            "京北",
            "京",
            "東京都",
            "東",
            "カレー",
            "ｶﾚｰ",
            "が",
            "ガ",
            "학교에서",
            "학교",
            "AI技术",
            "技",
        ),
        *("Привет", "ё", "е", "नमस्ते", "ภาษา", "שָׁלוֹם", "🙂", "—", '"', "'", "*", "a\0b", "OR", "NEAR", "^", ":*", "!"),
        *("(", "\\", "/c1", "AI技术", "技"),
    ]
)
TEXTS = st.lists(PIECES, min_size=1, max_size=4).map(" ".join)
ACTS = st.lists(st.tuples(st.sampled_from(["say", "say", "edit", "search"]), st.integers(0, 5), TEXTS), max_size=15)


@pytest.fixture(scope="module")
def both(own_store_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    yield tmp_path_factory.mktemp("both") / "bridge.db", own_store_database.url
    own_store_database.as_kept()


@pytest.mark.shows("store.search-alike")
@settings(max_examples=20)
@given(acts=ACTS, queries=st.lists(TEXTS, min_size=1, max_size=6))
def test_the_same_queries_find_the_same_messages(
    both: tuple[Path, str], acts: list[tuple[str, int, str]], queries: list[str]
) -> None:
    anyio.run(play, both, acts, queries)


async def play(both: tuple[Path, str], acts: list[tuple[str, int, str]], queries: list[str]) -> None:
    """Write alike to both; what they find is what looking at every text finds."""
    chat = f"family/{uuid.uuid4().hex}"
    stores = (
        await sqlite.open_store(both[0], clock=ManualClock()),
        await postgres.open_store(both[1], clock=ManualClock()),
    )
    texts: dict[int, str] = {}

    async def compare(query: str) -> None:
        found = [[m.seq for m in await store.history.search(query, conversation=chat, limit=50)] for store in stores]
        assert found[0] == found[1] == sorted(matching(query, texts), reverse=True), query

    for number, (what, which, text) in enumerate(acts):
        if what == "say":
            for store in stores:
                await store.log.record(chat, Heard(text, ANN, f"m{number}"))
            texts[len(await stores[0].log.load(chat)) - 1] = text
        elif what == "edit" and texts:
            seq = sorted(texts)[which % len(texts)]
            for store in stores:
                await store.log.record(chat, Edited(seq, text, f"e{number}"))
            texts[seq] = text
        elif what == "search":
            await compare(text)
    for query in queries:
        await compare(query)
    for store in stores:
        await store.close()


def matching(query: str, texts: dict[int, str]) -> list[int]:
    """The messages in which all units of each word of a query stand side by side, by looking at each."""
    wanted = parse_query(query)
    if wanted is None:
        return []
    found: list[int] = []
    for seq, text in texts.items():
        known = terms(text)
        exact = all(
            any(each.startswith(term.text) for each in known) if term.prefix else term.text in known
            for term in wanted.terms
        )
        if exact and holds(text, wanted.phrases):
            found.append(seq)
    return found


async def test_long_texts_and_words_are_found_alike_on_both(both: tuple[Path, str]) -> None:
    chat, long_word = f"family/{uuid.uuid4().hex}", "x" * 5000
    many = " ".join(f"word{number}" for number in range(60_000))
    for open_store, where in ((sqlite.open_store, both[0]), (postgres.open_store, both[1])):
        store = await open_store(where, clock=ManualClock())  # pyright: ignore[reportArgumentType]
        await store.log.record(
            chat, Heard(many, ANN, "m1"), Heard(f"{long_word}a", ANN, "m2"), Heard("北" * 9000, ANN, "m3")
        )
        for query, wanted in (
            ("word7 word40000", [0]),
            (f"{long_word}a", [1]),
            (f"{long_word}b", []),
            ("北北北", [2]),
            ("北" * 9001, []),
        ):
            assert [m.seq for m in await store.history.search(query, conversation=chat)] == wanted, query[:20]
        await store.close()
