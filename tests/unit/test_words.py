"""The words of texts: what is written alike is one word, and what stands side by side is told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.core.words import MAX_BYTES, MAX_TERM, Term, holds, parse_query, terms


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Hello, World", ["hello", "world"]),
        ("Café CAFÉ cafe", ["cafe"]),
        ("x_y a.b", ["x", "y", "a", "b"]),
        ("日本語", ["日本", "本語", "語"]),
        ("京", ["京"]),
        ("AI技术!", ["ai", "技术", "术"]),
        ("ｶﾚｰ ＡＢ", ["カレ", "レー", "ー", "ab"]),
        ("がガ", ["がガ", "ガ"]),
        ("학교", ["학교", "교"]),
        ("Straße", ["strasse"]),
        ("— ... \0", []),
    ],
)
def test_a_text_has_these_terms(text: str, found: list[str]) -> None:
    assert terms(text) == found


@pytest.mark.parametrize(
    ("query", "wanted", "phrases"),
    [
        ("tea Milk", (Term("tea"), Term("milk")), ()),
        ("foo-bar", (Term("foo"), Term("bar")), (("foo", "bar"),)),
        ("北京", (Term("北京"),), ()),
        ("北", (Term("北", prefix=True),), ()),
        ("東京都", (Term("東京"), Term("京都")), (("東", "京", "都"),)),
    ],
)
def test_a_query_asks_for_these(query: str, wanted: tuple[Term, ...], phrases: tuple[tuple[str, ...], ...]) -> None:
    found = parse_query(query)
    assert found is not None
    assert (found.terms, found.phrases) == (wanted, phrases)


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("foo-bar", "see foo bar", True),
        ("foo-bar", "bar foo", False),
        ("東京都", "東京と京都", False),
        ("東京都", "ここは東京都です", True),
        ("a/b.txt", "in a/b.txt it is", True),
    ],
)
def test_units_of_a_word_stand_side_by_side(query: str, text: str, found: bool) -> None:
    wanted = parse_query(query)
    assert wanted is not None
    assert holds(text, wanted.phrases) is found


def test_nothing_is_asked_where_there_is_no_word() -> None:
    assert parse_query("") is parse_query(" \0 — ? ") is None


@given(st.text(max_size=60))
def test_whatever_the_text_its_own_words_find_it(text: str) -> None:
    wanted, known = parse_query(text), terms(text)
    assert (wanted is None) == (not known)
    if wanted is not None:
        for term in wanted.terms:
            assert any(each.startswith(term.text) for each in known) if term.prefix else term.text in known
        assert holds(text, wanted.phrases)


@given(st.text(max_size=300))
def test_a_term_has_no_character_that_an_index_or_a_query_could_take_for_syntax(text: str) -> None:
    for term in terms(text):
        assert 0 < len(term) <= MAX_TERM
        assert not any(each.isspace() or (each.isascii() and not each.isalnum()) for each in term)


def test_the_terms_of_a_text_are_bounded() -> None:
    assert sum(len(term.encode()) for term in terms("".join(map(chr, range(0x4E00, 0x9FFF))) * 20)) <= MAX_BYTES
    assert sum(len(term) for term in terms(" ".join(map(str, range(200_000))))) <= MAX_BYTES
