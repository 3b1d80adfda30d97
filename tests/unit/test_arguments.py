"""Numbers that a model wrote as texts are mended where they can be nothing else, and nothing is guessed."""

from __future__ import annotations

import json

import pytest

from bridge_mcp.core.arguments import repaired_arguments
from bridge_mcp.core.tools import JSON

SCHEMA: JSON = {
    "type": "object",
    "$defs": {"N": {"type": "integer"}},
    "properties": {
        "path": {"type": "string"},
        "depth": {"type": "integer"},
        "deep": {"type": "boolean"},
        "rate": {"type": "number"},
        "either": {"type": ["integer", "string"]},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "there": {"$ref": "#/$defs/N"},
        "choice": {"enum": ["1", "2"]},
        "list": {"type": "array", "items": {"type": "integer"}},
        "inner": {"type": "object", "properties": {"n": {"type": "integer"}}},
        "any": {},
        "loop": {"$ref": "#"},
    },
}

MENDED: list[tuple[JSON, JSON]] = [
    ({"depth": "3", "deep": "true"}, {"depth": 3, "deep": True}),
    ({"deep": "False", "rate": "-0.5e2"}, {"deep": False, "rate": -50.0}),
    ({"maybe": "7"}, {"maybe": 7}),
    ({"maybe": "null"}, {"maybe": None}),
    ({"there": "7"}, {"there": 7}),
    ({"list": ["1", "2"]}, {"list": [1, 2]}),
    ({"list": "[1, 2]"}, {"list": [1, 2]}),
    ({"inner": {"n": "1"}}, {"inner": {"n": 1}}),
    ({"loop": {"loop": {"depth": "1"}}}, {"loop": {"loop": {"depth": 1}}}),
]
LEFT: list[JSON] = [
    {"path": "3"},
    {"either": "3"},
    {"any": "3"},
    {"choice": "1"},
    {"depth": "3.5"},
    {"depth": "03"},
    {"depth": "1e400"},
    {"depth": "three"},
    {"rate": "NaN"},
    {"deep": "yes"},
    {"list": "1, 2"},
    {"unknown": "3"},
]


@pytest.mark.parametrize(("given", "wanted"), MENDED)
def test_what_can_mean_one_thing_only_is_mended(given: JSON, wanted: JSON) -> None:
    assert json.loads(repaired_arguments(json.dumps(given), json.dumps(SCHEMA))) == wanted


@pytest.mark.parametrize("given", LEFT)
def test_everything_else_stays_as_it_was(given: JSON) -> None:
    text = json.dumps(given)
    assert repaired_arguments(text, json.dumps(SCHEMA)) == text


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": "1", "a": "2"}', '{"depth": "' + "9" * 5000 + '"}'])
def test_what_is_no_object_is_left_to_the_check(text: str) -> None:
    assert repaired_arguments(text, json.dumps(SCHEMA)) == text
    assert repaired_arguments('{"depth": "3"}', text) == '{"depth": "3"}'


def test_what_is_required_and_has_a_default_is_filled_in() -> None:
    schema = json.dumps(
        {
            "type": "object",
            "properties": {"type": {"enum": ["png", "jpeg"], "default": "png"}, "depth": {"type": "integer"}},
            "required": ["type"],
        }
    )
    assert repaired_arguments('{"depth": "2"}', schema) == '{"depth":2,"type":"png"}'
    assert repaired_arguments("{}", schema) == '{"type":"png"}'
    assert repaired_arguments('{"type": "jpeg"}', schema) == '{"type": "jpeg"}'
