"""Parameters of tools: what a signature says as a schema, what fits it, and in which words what does not is refused.

Annotations are read at run time here, as in the modules of the tools.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import pytest
from pydantic import Field, PydanticUserError

from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.tools import JSON
from bridge_mcp.server.protocol.errors import fault_of
from bridge_mcp.server.tools.params import JsonObject, Params, Text, Texts


async def example(
    call: None,
    name: str,
    text: Annotated[Text, Field(description="Whole")] = "",
    limit: Annotated[int, Field(ge=1, le=200)] = 50,
    wait_s: Annotated[float, Field(ge=0, le=50)] = 0.5,
    after: int | None = None,
    loud: bool = False,
    kind: Literal["a", "b"] = "a",
    choices: Texts = (),
    arguments: JsonObject | None = None,
) -> None: ...


PARAMS, EXACT = Params(example), Params(example, exact=True)


def test_a_signature_as_a_schema() -> None:
    assert PARAMS.schema == {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "text": {"type": "string", "description": "Whole"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
            "wait_s": {"type": "number", "minimum": 0, "maximum": 50, "default": 0.5},
            "after": {"type": "integer"},
            "loud": {"type": "boolean"},
            "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
            "choices": {"type": "array", "items": {"type": "string"}},
            "arguments": {"type": "object"},
        },
        "required": ["name"],
        "additionalProperties": False,
    }


def test_what_fits_passes_and_what_is_left_out_or_null_takes_its_default() -> None:
    given: dict[str, object] = {
        "name": "x",
        "text": "y" * 500_000,
        "limit": 7.0,
        "wait_s": 3,
        "after": None,
        "loud": True,
        "choices": '["tea", "coffee"]',
        "arguments": '{"path": "/tmp", "depth": [1, 2.5, null]}',
    }
    assert PARAMS.read(given) == {
        "name": "x",
        "text": "y" * 500_000,
        "limit": 7,
        "wait_s": 3.0,
        "after": None,
        "loud": True,
        "kind": "a",
        "choices": ("tea", "coffee"),
        "arguments": {"path": "/tmp", "depth": [1, 2.5, None]},
    }


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"name": None}, "name: expected a text, got null"),
        ({"name": 7.5}, "name: expected a text, got 7.5"),
        ({"name": True}, "name: expected a text, got true"),
        ({"name": 10**400}, "name: expected a text, got a number out of range"),
        ({"name": "x" * 401}, "name: has 401 characters; at most 400 are taken"),
        ({"name": "\ud83d"}, "name: is not valid Unicode: half of a UTF-16 pair at character 0"),
        ({"limit": "many"}, "limit: expected a whole number from 1 to 200, got the text 'many'"),
        ({"limit": 2.5}, "limit: expected a whole number from 1 to 200, got 2.5"),
        ({"limit": True}, "limit: expected a whole number from 1 to 200, got true"),
        ({"limit": 10**400}, "limit: expected a whole number from 1 to 200, got a number out of range"),
        ({"wait_s": float("nan")}, "wait_s: expected a number from 0 to 50, got a number out of range"),
        ({"wait_s": float("inf")}, "wait_s: expected a number from 0 to 50, got a number out of range"),
        ({"after": float("-inf")}, "after: expected a whole number, got a number out of range"),
        ({"loud": "yes"}, "loud: expected true or false, got the text 'yes'"),
        ({"kind": "c"}, "kind: expected one of a, b; got the text 'c'"),
        ({"kind": ["a"]}, "kind: expected one of a, b; got a list"),
        ({"limit": ""}, "limit: expected a whole number from 1 to 200, got the text ''"),
        ({"limit": "5 or so"}, "limit: expected a whole number from 1 to 200, got the text '5 or so'"),
        ({"limit": "0x10"}, "limit: expected a whole number from 1 to 200, got the text '0x10'"),
        ({"limit": "1_0"}, "limit: expected a whole number from 1 to 200, got the text '1_0'"),
        ({"limit": "\u0665"}, "limit: expected a whole number from 1 to 200, got the text"),
        ({"limit": "2.5"}, "limit: expected a whole number from 1 to 200, got 2.5"),
        ({"limit": "500"}, "limit: expected a whole number from 1 to 200, got 500"),
        ({"wait_s": "NaN"}, "wait_s: expected a number from 0 to 50, got the text 'NaN'"),
        ({"wait_s": "1e999"}, "wait_s: expected a number from 0 to 50, got the text '1e999'"),
        ({"loud": 1}, "loud: expected true or false, got 1"),
        ({"loud": ""}, "loud: expected true or false, got the text ''"),
        ({"choices": "tea"}, 'choices: expected a list of texts, such as ["one", "two"]; got the text \'tea\''),
        ({"choices": ["tea", 1]}, "choices: expected a text, got 1"),
        ({"choices": ["x"] * 101}, "choices: has 101 items; at most 100 are taken"),
        ({"arguments": []}, "arguments: expected an object, got a list"),
        ({"arguments": "{broken"}, "arguments: expected an object, got the text '{broken'"),
        ({"arguments": {"a": {"b": "\udfff"}}}, "arguments: is not valid Unicode: half of a UTF-16 pair"),
        ({"arguments": {"a": float("nan")}}, "arguments: holds a number that is infinite or not a number"),
        ({"arguments": {"a": "x" * 1_000_000}}, "arguments: has 1,000,009 characters as JSON"),
        ({"colour": 1}, "colour: there is no such argument"),
        ({"\ud83d\n" * 30: 1}, "\\ud83d\\n"),
    ],
)
def test_what_does_not_fit_is_named_with_what_is_expected(given: Mapping[str, object], told: str) -> None:
    with pytest.raises(BadInput) as caught:
        PARAMS.read({"name": "x", **given})
    message = str(caught.value)
    assert told in message
    assert len(message) < 500
    assert message.isprintable() or "\n" in message
    message.encode()
    assert "Its arguments are: name, text, limit" in caught.value.fix


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"limit": "50"}, {"limit": 50}),
        ({"limit": " 50 "}, {"limit": 50}),
        ({"limit": "50.0"}, {"limit": 50}),
        ({"wait_s": "0.1"}, {"wait_s": 0.1}),
        ({"after": "-3"}, {"after": -3}),
        ({"loud": "true"}, {"loud": True}),
        ({"loud": "False"}, {"loud": False}),
        ({"text": 5}, {"text": "5"}),
        ({"toolCallId": "call_1", "sessionId": "x", "action": "sendMessage", "chatInput": "hi"}, {}),
        ({"random_string": "dummy"}, {}),
        ({"something": None}, {}),
    ],
)
def test_a_value_that_can_only_mean_one_thing_is_taken(
    given: Mapping[str, object], taken: Mapping[str, object]
) -> None:
    assert PARAMS.read({"name": "x", **given}) == PARAMS.read({"name": "x", **taken})


@pytest.mark.parametrize("given", [{"limit": "50"}, {"loud": "true"}, {"text": 5}, {"wait_s": "0"}, {"kind": False}])
def test_a_tool_that_decides_takes_no_value_of_another_type(given: Mapping[str, object]) -> None:
    with pytest.raises(BadInput):
        EXACT.read({"name": "x", **given})


def test_a_tool_that_decides_still_reads_lists_and_objects_given_as_json_text() -> None:
    values = EXACT.read({"name": "x", "choices": '["a"]', "arguments": '{"a": 1}'})
    assert (values["choices"], values["arguments"]) == (("a",), {"a": 1})


def test_every_problem_has_its_line() -> None:
    with pytest.raises(BadInput) as caught:
        PARAMS.read({"limit": 0, "loud": 1, "x": 2})
    assert fault_of(caught.value, "example").text.splitlines() == [
        "example was not called:",
        "name: is missing",
        "limit: expected a whole number from 1 to 200, got 0",
        "loud: expected true or false, got 1",
        "x: there is no such argument",
        "Its arguments are: name, text, limit, wait_s, after, loud, kind, choices, arguments.",
    ]


def test_a_value_is_never_echoed_whole() -> None:
    deep: JSON = {}
    for _ in range(2_000):
        deep = {"d": deep}
    for value in ("z" * 1_000_000, ["z" * 1_000_000], deep):
        with pytest.raises(BadInput) as caught:
            PARAMS.read({"name": "x", "limit": value, "arguments": value, "choices": value})
        assert len(str(caught.value)) < 600


def test_a_signature_that_cannot_be_read_is_an_error() -> None:
    async def unreadable(call: None, error: BadInput) -> None: ...

    with pytest.raises(PydanticUserError, match="BadInput"):
        assert Params(unreadable).schema
