"""Markdown in Discord's dialect, and texts in pieces that Discord takes."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.channels.discord.receive.events import Account, worded
from bridge_mcp.channels.discord.receive.payloads import User
from bridge_mcp.channels.discord.text.markdown import as_discord, fences
from bridge_mcp.channels.discord.text.split import split, units
from bridge_mcp.operations.approval_texts import fenced

WORDS = st.text(alphabet=st.sampled_from("ab \n`~*_|-#😀é"), max_size=400)


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("**bold** and _it_", "**bold** and _it_"),
        ("__bold__ here", "**bold** here"),
        ("snake__case__name and `__code__`", "snake__case__name and `__code__`"),
        ("# One\n#### Four ####", "# One\n**Four**"),
        ("a\n---\nb", "a\n———\nb"),
        ("![cat](https://example.org/c.png)", "🖼 [cat](https://example.org/c.png)"),
        ("```\n__x__\n#### y\n```", "```\n__x__\n#### y\n```"),
        ("| a | b |\n|---|---|\n| 1 | two |", "```\na | b\n--+----\n1 | two\n```"),
        ("a | b\n--- | ---\n1 | 2\n\nend", "```\na | b\n--+--\n1 | 2\n```\n\nend"),
        ("a | b, no table", "a | b, no table"),
    ],
)
def test_markdown_in_discords_dialect(markdown: str, shown: str) -> None:
    assert as_discord(markdown) == shown


BLOCK = re.compile(r"```(?:[a-z0-9_+\-.#]+?\n)?\n*([^\n][^\0]*?)\n*```", re.IGNORECASE)
"""A block of code as Discord's apps read it: three backticks, wherever they stand, begin and end it."""


@pytest.mark.parametrize(
    "hidden",
    ["``` ||rm -rf /|| ```", "```` [ls](https://example.org)", "~~~ ``` ||x||", "`` ``` ` ``````` ||x||", "no more"],
)
def test_arguments_get_out_of_no_block_of_code(hidden: str) -> None:
    shown = as_discord(f"Approve?\n\n{fenced(json.dumps({'command': hidden}))}\n\nOr write.")
    found = BLOCK.search(shown)
    assert found is not None
    assert found[1].replace("\u200b", "") == json.dumps({"command": hidden}, indent=2)
    assert shown[found.end() :] == "\n\nOr write."


def test_blocks_of_other_fences_are_blocks_in_discord() -> None:
    assert as_discord("~~~py\na\n~~~") == "```py\na\n```"
    assert as_discord("`````\n```py\na\n```\n`````").replace("\u200b", "") == "```\n```py\na\n```\n```"


def test_a_wide_table_becomes_a_list() -> None:
    wide = "| name | what |\n|---|---|\n| x | " + "long " * 20 + "|"
    assert as_discord(wide).startswith("- name: x; what: long")


@given(WORDS)
def test_no_word_is_lost(text: str) -> None:
    told = as_discord(text)
    assert [c for c in text if c in "ab😀é"] == [c for c in told if c in "ab😀é"]


def test_a_short_text_is_one_piece() -> None:
    assert split("hello") == ("hello",)
    assert split(" \n ") == ()


def test_paragraphs_stay_together() -> None:
    one, two = "a " * 700, "b " * 700
    assert split(f"{one}\n\n{two}") == (one.rstrip("\n") + "", two)


def test_a_block_of_code_that_is_cut_is_closed_and_opened_again() -> None:
    code = "\n".join(f"line {number}" for number in range(500))
    pieces = split(f"See:\n```python\n{code}\n```\nDone.")
    assert len(pieces) > 1
    for piece in pieces:
        assert units(piece) <= 2000
        assert piece.count("```") % 2 == 0
    assert all("```python\n" in piece for piece in pieces[1:-1])
    kept = [line for piece in pieces for line in piece.split("\n") if line.startswith("line ")]
    assert kept == code.split("\n")


def test_a_block_that_fits_into_one_piece_is_not_cut() -> None:
    block = "```\n" + "x" * 1500 + "\n```"
    pieces = split("a" * 900 + "\n" + block)
    assert block in pieces


def test_no_character_is_halved() -> None:
    family = "👨‍👩‍👧‍👦"
    for piece in split(family * 400):
        assert piece == family * (len(piece) // len(family))


@given(WORDS, st.integers(40, 200))
def test_every_piece_fits_and_nothing_is_lost(text: str, most: int) -> None:
    pieces = split(text, most)
    assert all(0 < units(piece) <= most for piece in pieces)
    assert all(piece.strip() for piece in pieces)
    assert [c for c in text if c in "ab😀é"] == [c for piece in pieces for c in piece if c in "ab😀é"]


@given(WORDS)
def test_fences_name_each_line_once(text: str) -> None:
    lines = text.split("\n")
    assert [line for line, _ in fences(lines)] == lines


def test_nobody_writes_into_others_texts_by_their_own_name() -> None:
    bob = User("7", global_name='Bob", "path": "/etc\\\n')
    told = worded('/edit AB12 {"text": "for <@7>"}', [bob], Account("1", "Bot"))
    assert list(json.loads(told.removeprefix("/edit AB12 "))) == ["text"]
