"""Arguments that are required and have a default: filled in, and nothing else is touched."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from bridge_mcp.core.defaults import with_defaults
from bridge_mcp.core.json_reader import JSON

SCREENSHOT = json.dumps(
    {
        "type": "object",
        "properties": {
            "type": {"enum": ["png", "jpeg"], "default": "png"},
            "path": {"type": "string"},
            "size": {"type": "object", "properties": {"unit": {"default": "px"}}, "required": ["unit"]},
            "quality": {"type": "integer", "default": 80},
            "nothing": {"default": None},
        },
        "required": ["type", "path", "nothing"],
    }
)


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ({}, {"type": "png", "nothing": None}),
        ({"type": "jpeg"}, {"type": "jpeg", "nothing": None}),
        ({"path": "a", "size": {}}, {"path": "a", "type": "png", "nothing": None, "size": {"unit": "px"}}),
        ({"type": "png", "nothing": 1}, {"type": "png", "nothing": 1}),
        ({"type": None, "nothing": 1}, {"type": None, "nothing": 1}),
    ],
)
def test_what_is_required_and_missing_gets_its_default(given: Mapping[str, JSON], full: Mapping[str, JSON]) -> None:
    assert with_defaults(given, SCREENSHOT) == full
    assert with_defaults(full, SCREENSHOT) is full


@pytest.mark.parametrize(
    "schema",
    [
        "",
        'no JSON, but "default" and "required"',
        '{"required": ["a"], "default": 1}',
        '{"required": "a", "properties": {"a": {"default": 1}}}',
        '{"required": [1, null], "properties": {"a": {"default": 1}}}',
        '{"required": ["a"], "properties": {"a": true, "default": {}}}',
        '{"required": ["a"], "properties": ["default"]}',
        '["required", "default"]',
    ],
)
def test_an_odd_schema_changes_nothing(schema: str) -> None:
    given: Mapping[str, JSON] = {"b": {"c": 1}}
    assert with_defaults(given, schema) is given
