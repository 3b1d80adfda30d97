"""Repairs the arguments of a call by its tool's schema, such as a number that a model wrote as a text.

Only unambiguous repairs: a text that is exactly the JSON of a number, a boolean, null, a list or an object, where the
schema allows such a value and no text; and the default of a required argument that is missing (see `defaults`).
Everything else is left to the check that follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from bridge_mcp.core.defaults import has_defaults, with_defaults
from bridge_mcp.core.errors import BadInput, BadJSON
from bridge_mcp.core.json_reader import read_json
from bridge_mcp.core.tools import JSON, canonical, parse_arguments

__all__ = ["repaired_arguments"]

MAY_BE_MENDED = re.compile(r'"\s*(?:-?\d|[tT]rue\b|[fF]alse\b|null\b|\[|\{)')
"""Arguments without such a text need no repair, and are not parsed."""
NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,17})?(?:[eE][+-]?\d{1,2})?\Z")
BOOLEANS: Mapping[str, bool] = {"true": True, "True": True, "false": False, "False": False}

DEEPEST = 20
"""Levels of a schema that are followed."""


def repaired_arguments(arguments: str, schema: str) -> str:
    """The arguments as JSON text, repaired by the schema; the same text if there is nothing to repair."""
    if not schema or not (MAY_BE_MENDED.search(arguments) or has_defaults(schema)):
        return arguments
    try:
        parsed, root = parse_arguments(arguments), read_json(schema)
    except (BadInput, BadJSON):
        return arguments
    repaired = repair_value(parsed, root, root, DEEPEST)
    text = canonical(dict(with_defaults(repaired, schema)) if isinstance(repaired, dict) else repaired)
    return arguments if text == canonical(parsed) else text


def repair_value(value: JSON, schema: JSON, root: JSON, levels: int) -> JSON:
    """A value, repaired by a schema."""
    if levels <= 0:
        return value
    if isinstance(value, str):
        return read_as(value, types_of(schema, root, levels))
    branches = [*subschemas(schema, root, levels)]
    if isinstance(value, dict):
        return {name: repair_value(each, property_of(name, branches), root, levels - 1) for name, each in value.items()}
    if isinstance(value, list):
        items = next((branch["items"] for branch in branches if "items" in branch), None)
        return [repair_value(item, items, root, levels - 1) for item in value]
    return value


def read_as(text: str, types: frozenset[str]) -> JSON:
    """The JSON value in a text, if it has one of these types; else the text."""
    bare = text.strip()
    if not types or "string" in types:
        return text
    if "boolean" in types and bare in BOOLEANS:
        return BOOLEANS[bare]
    if "null" in types and bare == "null":
        return None
    if NUMBER.match(bare):
        number = read_json(bare)
        fits = "number" in types or ("integer" in types and isinstance(number, int))
        return number if fits else text
    if (bare[:1] == "[" and "array" in types) or (bare[:1] == "{" and "object" in types):
        try:
            return read_json(bare)
        except BadJSON:
            return text
    return text


def property_of(name: str, branches: list[dict[str, JSON]]) -> JSON:
    """The schema of a property, in the first alternative that has one."""
    for branch in branches:
        properties = branch.get("properties")
        if isinstance(properties, dict) and name in properties:
            return properties[name]
    return next((branch["additionalProperties"] for branch in branches if "additionalProperties" in branch), None)


def subschemas(schema: JSON, root: JSON, levels: int) -> Iterator[dict[str, JSON]]:
    """A schema and its alternatives, references followed."""
    if not isinstance(schema, dict) or levels <= 0:
        return
    reference = schema.get("$ref")
    if isinstance(reference, str):
        yield from subschemas(resolve_reference(root, reference), root, levels - 1)
    yield schema
    for keyword in ("anyOf", "oneOf", "allOf"):
        branches = schema.get(keyword)
        for branch in branches[:DEEPEST] if isinstance(branches, list) else ():
            yield from subschemas(branch, root, levels // 2)


def types_of(schema: JSON, root: JSON, levels: int) -> frozenset[str]:
    """The types that a schema names; none if it allows any."""
    types: set[str] = set()
    for branch in subschemas(schema, root, levels):
        type_keyword = branch.get("type")
        if isinstance(type_keyword, str):
            types.add(type_keyword)
        elif isinstance(type_keyword, list):
            types.update(kind for kind in type_keyword if isinstance(kind, str))
        values = branch.get("enum")
        if isinstance(values, list) and any(isinstance(value, str) for value in values):
            types.add("string")
        if isinstance(branch.get("const"), str):
            types.add("string")
    return frozenset(types)


def resolve_reference(root: JSON, reference: str) -> JSON:
    """The target of a reference within the schema; None if there is none."""
    value = root
    for step in reference.removeprefix("#").split("/")[1:] if reference.startswith("#") else ("",):
        name = step.replace("~1", "/").replace("~0", "~")
        value = value.get(name) if isinstance(value, dict) else None
    return value
