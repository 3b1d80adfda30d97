"""Schemas of nested tools as models are offered them: mended, or the tool is left out; none fails every request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.core.tools import JSON, ToolSpec
from bridge_mcp.models.openai_format import chat_tools
from bridge_mcp.models.refusals import suspects, tool_limit
from bridge_mcp.models.tool_schemas import schema_for_models
from tests.cases.model_rules import schema_faults

CASES = json.loads((Path(__file__).parents[1] / "cases/models/07-schemas.json").read_text("utf-8"))["bad"]
LEFT_OUT = {"root-null", "root-string"}
NOT_EVERYWHERE = {"property-name"}
"""Taken by most; whoever refuses it is asked again without the tool."""


@pytest.mark.parametrize("name", CASES)
def test_each_schema_is_mended_or_the_tool_is_left_out(name: str) -> None:
    found = schema_for_models(json.dumps(CASES[name]))
    if name in LEFT_OUT:
        assert isinstance(found, str)
    elif name not in NOT_EVERYWHERE:
        assert list(schema_faults(found, root=True)) == []


MENDED: list[tuple[JSON, JSON]] = [
    ({"type": None, "properties": {"a": {"type": ["string", None]}}}, {"a": {"type": ["string"]}}),
    ({"properties": {"a": {"anyOf": [None, {"type": "string"}]}}}, {"a": {"anyOf": [{"type": "string"}]}}),
    ({"properties": {"a": {"type": "array", "items": None}}}, {"a": {"type": "array", "items": {}}}),
    ({"properties": {"a": {"type": "str"}}}, {"a": {}}),
    ({"properties": {"a": {"enum": ["x", None]}}}, {"a": {"enum": ["x", None]}}),
]


@pytest.mark.parametrize(("schema", "properties"), MENDED)
def test_siblings_are_mended_too(schema: JSON, properties: JSON) -> None:
    found = schema_for_models(json.dumps(schema))
    assert isinstance(found, dict)
    assert found["properties"] == properties


def test_a_pattern_that_no_grammar_holds_is_told_in_words() -> None:
    found = schema_for_models(json.dumps({"properties": {"a": {"pattern": "[a-z]+", "description": "A name."}}}))
    assert isinstance(found, dict)
    assert found["properties"] == {"a": {"description": "A name. It matches the regular expression [a-z]+"}}


def test_what_all_alternatives_want_is_wanted() -> None:
    branches: JSON = [{"properties": {"a": {}, "c": {}}, "required": ["c", "a"]}, {"properties": {"b": {}}}]
    found = schema_for_models(json.dumps({"oneOf": branches, "properties": {"d": {}}, "required": ["d"]}))
    assert found == {"type": "object", "properties": {"a": {}, "c": {}, "b": {}, "d": {}}, "required": ["d"]}


plain = st.none() | st.booleans() | st.integers() | st.sampled_from(["object", "array", "string", "^a$", "a"])
keywords = ["type", "properties", "items", "required", "enum", "anyOf", "pattern", "$ref", "a", "description"]
schemas = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(keywords), inner, max_size=4)
)


@given(schemas)
def test_any_schema_is_offered_without_null_or_left_out(schema: JSON) -> None:
    found = schema_for_models(json.dumps(schema))
    if isinstance(found, str):
        return
    assert found["type"] == "object"
    assert isinstance(found["properties"], dict)
    for each in found["properties"].values():
        assert isinstance(each, dict | bool)


def spec(name: str, schema: JSON) -> ToolSpec:
    return ToolSpec(name, "files", name, description="d", schema=json.dumps(schema))


def test_a_refusal_names_its_suspect_by_name_by_place_or_by_what_is_odd() -> None:
    good = spec("files__good", {"type": "object", "properties": {"q": {"type": "string"}}})
    bad = spec("files__bad", {"type": "object", "properties": {"a": {"type": ["string", "null"]}}})
    assert suspects("Invalid schema for function 'files__bad': no", [good, bad]) == (bad,)
    assert suspects("tools.0.custom.input_schema: no", [good, bad]) == (good,)
    assert suspects("JSON schema conversion failed", [good, bad]) == (bad,)
    assert suspects("JSON schema conversion failed", [good]) == ()


def test_too_many_tools_are_told_by_their_number() -> None:
    told = "Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array of 211."
    assert tool_limit(told, 211) == 128
    assert tool_limit("Invalid schema for function 'a'", 211) is None


def test_a_tool_without_a_schema_is_not_offered() -> None:
    offered = chat_tools([spec("a", None), spec("b", {"type": "object"})])
    assert [tool["function"]["name"] for tool in offered] == ["b"]  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue, reportOptionalSubscript]
