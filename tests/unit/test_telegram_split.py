"""Long texts cut into messages: within the limits, at good places, and whole."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_mcp.channels.telegram.text.marked_text import Mark, Rich, cleaned, units, visible
from bridge_mcp.channels.telegram.text.render import Renderer
from bridge_mcp.channels.telegram.text.split import MAX_MARKS, MAX_TEXT, fits, split
from tests.unit.telegram_texts import any_text, markdown

RENDERER = Renderer()


def parts(source: str, most: int = MAX_TEXT) -> list[str]:
    return [part.text for part in split(RENDERER.render(source), most)]


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_short_text_stays_whole() -> None:
    rich = RENDERER.render("**a** b")
    assert split(rich) == (rich,)
    assert split(Rich("x" * MAX_TEXT)) == (Rich("x" * MAX_TEXT),)
    assert split(Rich(" \u200d\n")) == ()


@pytest.mark.shows("chats.split")
def test_paragraphs_before_items_before_lines_before_words() -> None:
    assert parts("aaaa aaaa\n\nbbbb bbbb\nbbbb", 20) == ["aaaa aaaa", "bbbb bbbb\nbbbb"]
    assert parts("- aaaa\n- bbbb\n  cccc\n- dddd", 21) == ["• aaaa\n• bbbb\ncccc", "• dddd"]
    assert parts("aaaa aaaa\nbbbb bbbb cccc", 20) == ["aaaa aaaa", "bbbb bbbb cccc"]
    assert parts("aaaa bbbb cccc dddd", 15) == ["aaaa bbbb cccc", "dddd"]
    assert parts("abcdefghij", 4) == ["abcd", "efgh", "ij"]


def test_a_short_start_is_no_message_of_its_own() -> None:
    assert parts("Hi.\n\n" + "word " * 30, 100)[0].startswith("Hi.\n\nword word")


@pytest.mark.shows("chats.split")
def test_a_code_block_goes_whole_into_the_next_part() -> None:
    code = "\n".join(f"    line({number})" for number in range(10))
    first, second = split(RENDERER.render(f"{'intro ' * 20}\n\n```python\n{code}\n```\n\nAfter."), 200)
    assert first.text == ("intro " * 20).strip()
    assert second == Rich(f"{code}\n\nAfter.", (Mark("pre", 0, len(code), language="python"),))


def test_a_code_block_that_is_too_large_goes_on_as_code() -> None:
    code = "\n".join(f"  line {number:03}" for number in range(40))
    made = split(RENDERER.render(f"Look:\n\n```python\n{code}\n```\nDone."), 200)
    assert len(made) > 2
    assert "\n".join(part.text for part in made) == f"Look:\n\n{code}\nDone."
    for part in made:
        (mark,) = part.marks
        assert (mark.kind, mark.language) == ("pre", "python")
        assert part.text[mark.start : mark.end].strip("\n") in code
        assert part.text[mark.start :].startswith("  line")


def test_a_line_of_code_without_end_keeps_every_character() -> None:
    line = "x = 1;  y = 2;" * 100
    made = split(Rich(line, (Mark("pre", 0, len(line)),)), 200)
    assert "".join(part.text for part in made) == line
    assert all(part.marks == (Mark("pre", 0, len(part.text)),) for part in made)


def test_marks_go_on_in_the_next_part() -> None:
    rich = RENDERER.render("**" + "bold " * 20 + "end**")
    made = split(rich, 60)
    assert len(made) == 2
    assert all(part.marks == (Mark("bold", 0, len(part.text)),) for part in made)


def test_counted_in_utf_16() -> None:
    (first, second) = split(Rich("👍" * 3000))
    assert (units(first.text), units(second.text)) == (4096, 1904)


def test_no_cut_within_what_people_see_as_one_character() -> None:
    family = "👨\u200d👩\u200d👧\u200d👦"
    assert parts(family * 10, 25) == [family * 2] * 5
    assert parts("🇩🇪🇫🇷🇮🇹", 5) == ["🇩🇪", "🇫🇷", "🇮🇹"]
    assert parts("e\u0301" * 6, 5) == ["e\u0301" * 2] * 3
    assert parts("a" + "\u0301" * 30, 10)[0] == "a" + "\u0301" * 9
    assert parts("aaaa \u0301bbbb", 7) == ["aaaa \u0301b", "bbb"]


def test_no_more_marks_than_telegram_remembers() -> None:
    rich = RENDERER.render(" ".join(f"*w{number}*" for number in range(250)))
    made = split(rich)
    assert [len(part.marks) for part in made] == [100, 100, 50]
    assert " ".join(part.text for part in made) == rich.text
    crowded = Rich("x", tuple(Mark("bold", 0, 1) for _ in range(120)))
    assert [len(part.marks) for part in split(crowded)] == [MAX_MARKS]


def test_what_fits() -> None:
    assert fits(Rich("👍👍"), 4)
    assert not fits(Rich("👍👍"), 3)
    assert not fits(Rich("x", tuple(Mark("bold", 0, 1) for _ in range(101))), 4)


def holds(rich: Rich, most: int) -> None:
    """Everything a split promises."""
    made = split(rich, most)
    assert split(rich, most) == made
    assert made or not visible(rich.text)
    for part in made:
        assert units(part.text) <= most
        assert visible(part.text)
        assert part.text == part.text.rstrip()
        assert len(part.marks) <= MAX_MARKS
        for mark in part.marks:
            assert 0 <= mark.start < mark.end <= len(part.text)
            assert part.text[mark.start : mark.end].strip()
    # Lossless: the parts are stretches of the text, in order, and what lies between them cannot be seen.
    at = 0
    for part in made:
        found = rich.text.index(part.text, at)
        assert not visible(rich.text[at:found])
        at = found + len(part.text)
    assert not visible(rich.text[at:])
    # Nothing that was marked is unmarked now, within the most that Telegram remembers.
    for kind in {mark.kind for mark in rich.marks}:
        before = {
            char for mark in rich.marks if mark.kind == kind for char in squeezed(rich.text[mark.start : mark.end])
        }
        after = {char for part in made for mark in part.marks for char in part.text[mark.start : mark.end]}
        assert {char for char in before if visible(char)} <= after


@settings(max_examples=250, deadline=None)
@given(markdown(), st.integers(16, 120))
def test_any_markdown_is_cut_within_the_limits_and_whole(source: str, most: int) -> None:
    holds(RENDERER.render(source), most)


@settings(max_examples=250, deadline=None)
@given(any_text(), st.integers(4, 40))
def test_any_text_is_cut_within_the_limits_and_whole(source: str, most: int) -> None:
    holds(Rich(cleaned(source).strip()), most)


@settings(max_examples=250, deadline=None)
@given(any_text(), st.integers(16, 60))
def test_characters_stay_whole(source: str, most: int) -> None:
    text = cleaned(source).strip()
    # White space goes at a cut, also from under a mark that is drawn onto it.
    clusters = [found.span() for found in regex.finditer(r"\X", text) if not found[0][0].isspace()]
    longest = max((units(text[start:end]) for start, end in clusters), default=0)
    at = 0
    for part in split(Rich(text), most):
        start = text.index(part.text, at)
        at = start + len(part.text)
        if longest <= most:
            assert not any(first < place < last for first, last in clusters for place in (start, at))
