"""What people should look at twice in a call."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.core.call_risks import mixed_words, risks_of
from bridge_mcp.core.safe_text import segments, visible
from bridge_mcp.core.tools import ToolSpec

TOOL = ToolSpec("s__t", "s", "t", "", "{}", destructive=False)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("plain", []),
        ("a/../b", ["climbs"]),
        ("%2e%2e/b", ["climbs"]),
        ("in\u200bvisible", ["hidden"]),
        ("pаypal", ["look-alike"]),
        ("Москва und Paris", []),
        ("see https://example.org/x and http://a.test", ["address"]),
        ("x" * 20_001, ["long"]),
        ("two\nlines\tand a tab", []),
    ],
)
def test_what_stands_out_in_arguments(text: str, kinds: list[str]) -> None:
    assert [risk.kind for risk in risks_of(json.dumps({"a": [text]}), TOOL)] == kinds


def test_what_stands_out_in_a_tool() -> None:
    spec = ToolSpec("s__t", "s", "t", "", "{}", destructive=True, changed="its description")
    assert [risk.kind for risk in risks_of("{}", spec)] == ["changed", "destructive"]
    assert risks_of("{}", None) == ()
    assert [risk.kind for risk in risks_of("no json\u202e", None)] == ["hidden"]


def test_words_of_several_scripts() -> None:
    assert mixed_words("admin аdmin Ωmega Ωmеga") == ("аdmin", "Ωmega", "Ωmеga")


@given(st.text(alphabet="ab \n\t\u202e\u200d\u0301é👍\ufe0f\u200b]^\\-", max_size=20), st.booleans())
def test_the_parts_of_a_text_are_what_is_shown_of_it(text: str, lines: bool) -> None:
    assert "".join(part for part, _ in segments(text, lines=lines)) == visible(text, lines=lines)
