"""Normalises JSON schemas, to compare them."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Final, cast

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import JSON, read_json

__all__ = ["canonical_schema"]

SCHEMA_IN: Final = frozenset(
    "additionalItems additionalProperties contains contentSchema else if items not propertyNames then "
    "unevaluatedItems unevaluatedProperties".split()
)
"""Keywords whose value is a schema (JSON Schema 2020-12, and what older drafts had)."""
SCHEMAS_BY_NAME: Final = frozenset("$defs definitions dependentSchemas patternProperties properties".split())
SCHEMAS_IN_ORDER: Final = frozenset("allOf anyOf items oneOf prefixItems".split())
SETS: Final = frozenset(("required", "type"))
SETS_BY_NAME: Final = frozenset(("dependencies", "dependentRequired"))

write = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


@lru_cache(maxsize=512)
def canonical_schema(text: str) -> str:
    """A schema with unordered parts sorted: members of objects, `required`, lists of types.

    Ordered parts stay as they are: `enum`, `anyOf`, `prefixItems`, and every value that is no schema (`const`,
    `default`, `examples`). A text that is no JSON is returned unchanged.
    """
    try:
        return write(sort_unordered(read_json(text)))
    except BadJSON:
        return text


def sort_unordered(schema: JSON) -> JSON:
    """The same for a parsed schema, whose depth the reader has bounded."""
    if not isinstance(schema, dict):
        return schema
    return {keyword: normalised_keyword(keyword, value) for keyword, value in schema.items()}


def normalised_keyword(keyword: str, value: JSON) -> JSON:
    """The normalised value of a keyword."""
    if isinstance(value, list):
        if keyword in SETS:
            return as_set(value)
        return [sort_unordered(item) for item in value] if keyword in SCHEMAS_IN_ORDER else value
    if not isinstance(value, dict):
        return value
    if keyword in SCHEMAS_BY_NAME:
        return {name: sort_unordered(each) for name, each in value.items()}
    if keyword in SETS_BY_NAME:
        return {name: as_set(each) if isinstance(each, list) else sort_unordered(each) for name, each in value.items()}
    return sort_unordered(value) if keyword in SCHEMA_IN else value


def as_set(values: list[JSON]) -> JSON:
    """Texts sorted, without duplicates; a list with anything else stays as it is."""
    if all(isinstance(value, str) for value in values):
        return [*sorted(set(cast("list[str]", values)))]
    return values
