"""The reader for JSON of others: what it gives is what `json` gives, and what could hurt somebody later is refused."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_mcp.core.errors import BadInput, BadJSON
from bridge_mcp.core.json_reader import JSON, check_json, read_json, read_json_at
from bridge_mcp.core.tools import parse_arguments

NUMBERS = st.integers(-(10**300), 10**300) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(["[", '"]', '\\"[[', "\\\\", "{}", "]]]]"])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=30,
)


def depth(value: object) -> int:
    """How many lists and objects stand inside each other."""
    match value:
        case list():
            return 1 + max((depth(each) for each in cast("list[object]", value)), default=0)
        case dict():
            return 1 + max((depth(each) for each in cast("dict[str, object]", value).values()), default=0)
        case _:
            return 0


@settings(max_examples=60, deadline=None)
@given(VALUES, st.booleans())
def test_whatever_is_harmless_is_read_as_it_was_written(value: JSON, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert read_json(text) == value
    assert read_json(text.encode()) == value
    assert read_json_at(f"x {text} y", 2) == (value, 2 + len(text))
    assert check_json(value) == value


@settings(max_examples=60, deadline=None)
@given(VALUES, st.integers(0, 8), st.integers(0, 200))
def test_exactly_what_is_deeper_than_the_limit_is_refused(value: JSON, most: int, padding: int) -> None:
    given_value: JSON = [value, *(["[{"] * padding)]
    text = json.dumps(given_value)
    readers: list[Callable[[], object]] = [
        lambda: read_json(text, max_depth=most),
        lambda: read_json_at(text, 0, max_depth=most),
        lambda: check_json(given_value, max_depth=most),
    ]
    for reader in readers:
        if depth(given_value) > most:
            with pytest.raises(BadJSON, match="nested"):
                reader()
        else:
            reader()


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='[]{}":,\\u0dD8e1-.NaIfty \ud800\ufeff', max_size=60))
def test_no_input_makes_another_error(given_text: bytes | str) -> None:
    with suppress(BadJSON):
        read_json(given_text)
    with suppress(BadJSON):
        value = read_json(given_text, odd="mend")
        assert read_json(json.dumps(value, allow_nan=False, ensure_ascii=False).encode()) == value
        assert check_json(value) == value


@pytest.mark.parametrize("levels", [129, 999, 1_200, 100_000])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}")])
def test_depth_is_told_and_never_a_recursion_error(levels: int, opened: str, closed: str) -> None:
    whole = opened * levels + "1" + closed * levels
    with pytest.raises(BadJSON, match="nested more than 128"):
        read_json(whole)
    with pytest.raises(BadJSON):
        read_json(opened * levels)
    with pytest.raises(BadInput, match="nested more than"):
        parse_arguments('{"a":' + whole + "}")


def test_depth_is_told_also_to_a_caller_whose_own_stack_is_nearly_full() -> None:
    def deep(frames: int) -> None:
        if frames:
            return deep(frames - 1)
        with pytest.raises(BadJSON):
            read_json("[" * 90 + "]" * 90)
        return None

    frame, used = sys._getframe(), 0  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        frame, used = frame.f_back, used + 1
    deep(sys.getrecursionlimit() - used - 60)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 400, "-" + "9" * 5_000])
def test_a_number_that_is_not_finite_is_refused(number: str) -> None:
    for text in (number, f'{{"n": [{number}]}}'):
        with pytest.raises(BadJSON, match=r"number|NaN|Infinity"):
            read_json(text)
    for value in (math.nan, math.inf, [-math.inf], {"n": 10**400}):
        with pytest.raises(BadJSON, match="number"):
            check_json(value)


def test_the_last_of_two_equal_names_counts_and_in_arguments_both_are_refused() -> None:
    twice = '{"path": "a", "path": "b"}'
    assert read_json(twice) == {"path": "b"}
    with pytest.raises(BadInput, match="stands twice"):
        parse_arguments(twice)
    with pytest.raises(BadInput, match="stands twice"):
        parse_arguments('{"list": [{"a": 1, "\\u0061": 2}]}')


HALVES = ('{"a\\ud800": "\\uDFFF b"}', '{"a\ud800": "\udfff b"}', '["a", {"b": ["\\uDbFf\\ud800"]}]')


def test_half_a_pair_is_refused_and_a_whole_one_is_a_character() -> None:
    assert read_json('["\\ud83d\\ude00"]') == ["\U0001f600"]
    for text in HALVES:
        with pytest.raises(BadJSON, match="UTF-16"):
            read_json(text)
        with pytest.raises(BadJSON, match="UTF-16"):
            read_json_at(text, 0)
        with pytest.raises(BadJSON, match="UTF-16"):
            check_json(read_json(text, odd="keep"))
    with pytest.raises(BadJSON, match="byte 2"):
        read_json(b'["\xff"]')


def test_mended_everything_that_is_odd_is_replaced_and_can_be_sent_on() -> None:
    for text in HALVES:
        assert "\ufffd" in json.dumps(read_json(text, odd="mend"), ensure_ascii=False).encode().decode()
    assert read_json(b'["\xff"]', odd="mend") == ["\ufffd"]
    number = "1" * 5_000
    assert read_json(f"[NaN, -Infinity, 1e999, {number}, 1.5]", odd="mend") == [
        "NaN", "-Infinity", "1e999", number, 1.5,
    ]  # fmt: skip


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_size_is_bounded() -> None:
    with pytest.raises(BadJSON, match="longer than 10"):
        read_json(" " * 11, max_size=10)


def test_what_json_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(BadJSON, match="set"):
        check_json({"a": {1, 2}})
    itself: list[object] = []
    itself.append(itself)
    with pytest.raises(BadJSON, match="itself"):
        check_json(itself)
