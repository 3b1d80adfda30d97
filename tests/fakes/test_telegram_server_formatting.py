"""Entities: https://core.telegram.org/bots/api#formatting-options."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.servers.telegram import Refusal
from tests.servers.telegram.formatting import cleaned, formatted
from tests.servers.telegram.texts import Entity, Rich


def parts(rich: Rich) -> list[tuple[str, str]]:
    return [(found.type, found.of(rich.text)) for found in rich.entities]


def test_telegram_finds_what_nobody_marked() -> None:
    rich = cleaned(formatted("/start@my_bot @alice a@b.test #tag see https://x.test/a?b=c, or /a/b"))
    assert parts(rich) == [
        ("bot_command", "/start@my_bot"),
        ("mention", "@alice"),
        ("email", "a@b.test"),
        ("hashtag", "#tag"),
        ("url", "https://x.test/a?b=c"),
    ]
    code: list[object] = [{"type": "code", "offset": 0, "length": 6}]
    assert parts(cleaned(formatted("@alice /help", "", code))) == [("code", "@alice"), ("bot_command", "/help")]


def test_code_holds_no_other_entity() -> None:
    marks = [{"type": "pre", "offset": 0, "length": 5}, {"type": "bold", "offset": 1, "length": 2}]
    assert parts(cleaned(formatted("abcde", "", marks))) == [("pre", "abcde")]


def test_a_quotation_may_hold_code() -> None:
    marks = [{"type": "blockquote", "offset": 0, "length": 5}, {"type": "code", "offset": 1, "length": 2}]
    assert parts(cleaned(formatted("abcde", "", marks))) == [("blockquote", "abcde"), ("code", "bc")]
    inside = [{"type": "pre", "offset": 0, "length": 5}, {"type": "blockquote", "offset": 1, "length": 2}]
    assert parts(cleaned(formatted("abcde", "", inside))) == [("pre", "abcde")]


def test_control_characters_do_not_stay() -> None:
    marks = [{"type": "bold", "offset": 3, "length": 2}]
    rich = cleaned(formatted("a\r\t\x00b\u202ec", "", marks))
    assert rich.text == "a  bc"
    assert parts(rich) == [("bold", " b")]


@given(st.text(max_size=60), st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=4))
def test_entities_of_a_cleaned_text_lie_inside_it(text: str, marks: list[tuple[int, int]]) -> None:
    rich = Rich(text, tuple(sorted((Entity("bold", *one) for one in marks), key=lambda e: (e.offset, -e.length))))
    try:
        clean = cleaned(rich)
    except Refusal:
        return
    assert all(0 <= one.offset < one.end <= clean.units for one in clean.entities)
    assert clean.text == clean.text.rstrip(" \n")
