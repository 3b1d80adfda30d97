"""Arguments as a form and back: nothing is lost on the way, whatever they are."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.console.schema_form import Field, fields_of, read_arguments, with_complaint
from bridge_mcp.console.visits import Form
from bridge_mcp.core.safe_text import hidden
from bridge_mcp.core.tools import JSON

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "count": {"type": "integer"},
            "ratio": {"type": "number"},
            "on": {"type": "boolean"},
            "mode": {"type": "string", "enum": ["", "a", "b"]},
            "lines": {"type": "array", "items": {"type": "string"}},
            "deep": {"type": "object"},
        },
        "required": ["text"],
    }
)
TEXTS = st.text(max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["text", "count", "ratio", "on", "mode", "lines", "deep"]) | st.text(min_size=1, max_size=10)


def as_browsers_send(fields: tuple[Field, ...]) -> Form:
    """The form of a page that nobody touched: line ends are CR LF, in fields of one line there are none."""
    return Form([(f"a.{field.name}", field.value.replace("\n", "\r\n")) for field in fields])


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_a_form_that_nobody_touched_says_the_arguments_that_it_was_made_of(arguments: dict[str, JSON]) -> None:
    fields = fields_of(arguments, SCHEMA)
    if any(hidden(name) for name in arguments):
        assert fields == ()
        return
    assert all("\n" not in field.value for field in fields if field.kind in ("line", "number", "choice"))
    found, seen = read_arguments(as_browsers_send(fields), fields)
    assert [field.wrong for field in seen if field.wrong] == []
    assert found == arguments


@pytest.mark.parametrize("arguments", [{"mode": ""}, {"count": 1.0}, {"count": 0}, {"text": " "}, {"lines": []}])
def test_what_looks_empty_or_whole_is_approved_as_it_was_asked_for(arguments: dict[str, JSON]) -> None:
    fields = fields_of(arguments, SCHEMA)
    found, seen = read_arguments(as_browsers_send(fields), fields)
    assert ([field.wrong for field in seen if field.wrong], json.dumps(found)) == ([], json.dumps(arguments))


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\u202eb", "a\0b"])
def test_a_name_that_browsers_send_as_another_is_edited_as_json(name: str) -> None:
    assert fields_of({name: "x", "text": "y"}, SCHEMA) == ()


@pytest.mark.parametrize("typed", ["1_0", "١", "1.5", "true", "1e999", "x"])
def test_no_field_of_a_whole_number_takes_anything_else(typed: str) -> None:
    fields = fields_of({"count": 1}, SCHEMA)
    _, seen = read_arguments(Form([("a.count", typed)]), fields)
    assert [field.wrong for field in seen if field.name == "count"] == ["Write a whole number."]


@pytest.mark.parametrize("schema", ["", "[]", "{", '{"properties": []}', '{"required": 1, "properties": {"a": 1}}'])
def test_an_odd_schema_gives_fields_of_json(schema: str) -> None:
    fields = fields_of({"x": {"y": [1]}, "z": "text"}, schema)
    assert {field.kind for field in fields if field.given} == {"json"}


def test_too_many_arguments_are_no_form() -> None:
    assert fields_of({f"a{number}": 1 for number in range(200)}, "") == ()


def test_a_complaint_stands_beside_the_field_that_it_names() -> None:
    fields = fields_of({"text": "x", "count": 1}, SCHEMA)
    beside, rest = with_complaint(fields, "The edited arguments do not fit t: At 'count': 12 is greater than 9.")
    assert (rest, [f.name for f in beside if f.wrong]) == ("", ["count"])
    beside, rest = with_complaint(fields, '… do not fit t: "text" is a required property.')
    assert (rest, [f.name for f in beside if f.wrong]) == ("", ["text"])
    _, rest = with_complaint(fields, "The digest does not match.")
    assert rest == "The digest does not match."
