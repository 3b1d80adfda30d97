"""What people decide by cannot hide anything: the function that prompts, lists and the terminal share."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.core.safe_text import escaped, hidden, pretty, visible

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
"""One picture of three people, held together by joiners."""


TURNING = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/srv/\u202egpj.exe", "/srv/<U+202E>gpj.exe"),
        ("re\u200dmove", "re<U+200D>move"),
        ("a\u200bb\ufeffc", "a<U+200B>b<U+FEFF>c"),
        ("\u2066left\u2069", "<U+2066>left<U+2069>"),
        ("\x1b[2Kapproved", "<U+001B>[2Kapproved"),
        ("ok\nApproved by owner", "ok⏎Approved by owner"),
        ("ok\rno", "ok<U+000D>no"),
        ("\u3164\u2800", "<U+3164><U+2800>"),
        ("x\ufe0f\ufe0f", "x<U+FE0F><U+FE0F>"),
        ("\u2764\ufe0f 1\ufe0f", "\u2764\ufe0f 1\ufe0f"),
        ("\U000e0041\U000e0042", "<U+E0041><U+E0042>"),
        ("\ue000", "<U+E000>"),
        (FAMILY, FAMILY),
        ("میخواهم", "میخواهم"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("e\u0301", "e\u0301"),
        ("a" + "\u0301" * 6, "a" + "\u0301" * 4 + "<U+0301>" * 2),
        ("naïve — 日本語", "naïve — 日本語"),
    ],
)
def test_what_hides_is_shown_and_what_does_not_stays(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_nothing_unseen_is_left_but_what_joins_letters_and_emoji(text: str) -> None:
    left = visible(text)
    assert "\n" not in left
    assert not any(unicodedata.bidirectional(c) in TURNING or unicodedata.category(c) in ("Cc", "Cs") for c in left)
    assert visible(left) == left, "what is shown hides nothing more"


@given(st.text())
def test_a_text_without_hidden_characters_is_shown_as_it_is(text: str) -> None:
    if not hidden(text) and not set(text) & {"\n", "\t"}:
        assert visible(text) == text
    assert len(visible(text)) >= len(text)


@given(st.dictionaries(st.text(), st.text()))
def test_escaping_json_changes_no_value(value: dict[str, str]) -> None:
    text = escaped(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    assert not {c for c in hidden(text)} - {"\n"}


def test_arguments_are_shown_whole_whatever_they_are() -> None:
    assert json.loads(pretty('{"b":1,"a":"ä"}')) == {"a": "ä", "b": 1}
    assert pretty("{broken") == "{broken"
    deep = "[" * 100_000
    assert pretty(deep) == deep
