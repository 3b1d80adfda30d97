"""Rewrites a nested tool's JSON schema so that all providers accept it.

Nested servers write schemas that some provider refuses, and with them every request that offers the tool: null where a
list belongs, `anyOf` at the root, a pattern that a grammar cannot express. Keywords that say nothing to the model are
dropped here; others become words in the description of their property. Calls are checked by the server's own schema, so
nothing that runs depends on this. Knows no provider.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import cast

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import read_json
from bridge_mcp.core.tools import JSON

__all__ = ["is_plain", "schema_for_models"]

MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose values are schemas by name."""
LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
ONE = frozenset(
    {"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"}
    | {"unevaluatedItems", "unevaluatedProperties", "additionalItems"}
)
DATA = frozenset({"enum", "const", "default", "examples"})
"""Keywords whose values are no schemas."""

TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})

COMBINED = ("anyOf", "oneOf", "allOf")
NOT_AT_THE_ROOT = frozenset({*COMBINED, "not", "enum", "const", "if", "then", "else"})
"""Refused at the root by OpenAI and Anthropic."""

GROUPS = re.compile(r"\(\?")
"""Lookarounds and the like, which no grammar of a model server can express."""

PLAIN_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}\Z")
PLAIN = frozenset(
    {"type", "properties", "required", "description", "title", "enum", "items", "default"}
    | {"additionalProperties", "minimum", "maximum", "$schema"}
)
"""Keywords that every provider accepts."""


def schema_for_models(text: str) -> dict[str, JSON] | str:
    """The schema of a tool's arguments as a model is offered it; or a text that says why there can be none."""
    try:
        schema = read_json(text)
    except BadJSON as exc:
        return f"its schema cannot be read: {exc}"
    if schema is None:
        return "its schema is null"
    if not isinstance(schema, dict):
        return "its schema is not an object"
    kinds = schema.get("type") or "object"
    if kinds != "object" and not (isinstance(kinds, list) and "object" in kinds):
        return f"its schema is of type {json.dumps(kinds)[:60]}, and arguments are an object"
    schema = portable_schema(schema)
    return root_of(schema)


def portable_schema(schema: Mapping[str, JSON]) -> dict[str, JSON]:
    """A schema without null and without keywords that only some providers accept."""
    out: dict[str, JSON] = {}
    for name, value in schema.items():
        portable = portable_keyword(name, value)
        if portable is not None:
            out[name] = portable
    pattern = out.get("pattern")
    if isinstance(pattern, str) and not (pattern[:1] == "^" and pattern[-1:] == "$" and not GROUPS.search(pattern)):
        del out["pattern"]
        note = f"It matches the regular expression {pattern}" if len(pattern) < 500 else ""
        out["description"] = " ".join(filter(None, (str(out.get("description") or ""), note)))
    if out.get("type") == "array" and "items" not in out and "prefixItems" not in out:
        out["items"] = {}
    return out


def portable_keyword(name: str, value: JSON) -> JSON:
    """The value of one keyword; None: leave it out."""
    if value is None or (name == "enum" and not value):
        return None
    if name in DATA:
        return value
    if name in MAPS:
        return {key: mended_any(each) for key, each in value.items()} if isinstance(value, dict) else None
    if name in LISTS:
        branches = [mended_any(each) for each in value if each is not None] if isinstance(value, list) else []
        return branches or None
    if name == "type":
        return type_of(value)
    if name in ONE:
        return mended_any(value)
    if name == "required":
        return [each for each in value if isinstance(each, str)] if isinstance(value, list) else None
    return value


def type_of(value: JSON) -> JSON:
    """A type, or a list of types, without those that JSON Schema does not know; None if none is left."""
    if isinstance(value, list):
        return [each for each in value if isinstance(each, str) and each in TYPES] or None
    return value if isinstance(value, str) and value in TYPES else None


def mended_any(value: JSON) -> JSON:
    """A schema; `true` becomes an empty one, which says as much."""
    if isinstance(value, dict):
        return portable_schema(value)
    return value if isinstance(value, bool) else {}


def root_of(schema: dict[str, JSON]) -> dict[str, JSON]:
    """The root of a schema: an object whose alternatives (`anyOf`, ...) become optional properties."""
    properties: dict[str, JSON] = {}
    required: set[str] | None = None
    for keyword in COMBINED:
        branches = schema.get(keyword)
        for branch in branches if isinstance(branches, list) else ():
            if not isinstance(branch, dict):
                continue
            inner = branch.get("properties")
            properties |= inner if isinstance(inner, dict) else {}
            branch_required = strings(branch.get("required"))
            if keyword == "allOf":
                required = branch_required if required is None else required | branch_required
            else:
                required = branch_required if required is None else required & branch_required
    own_properties = schema.get("properties")
    properties |= own_properties if isinstance(own_properties, dict) else {}
    own_names = schema.get("required")
    listed_names = [name for name in own_names if isinstance(name, str)] if isinstance(own_names, list) else []
    needed = [*dict.fromkeys([*listed_names, *sorted(required or ())])]
    root = {name: value for name, value in schema.items() if name not in NOT_AT_THE_ROOT and name != "required"}
    root |= {"type": "object", "properties": properties}
    known_names = [name for name in needed if name in properties]
    return {**root, "required": cast("JSON", known_names)} if known_names else root


def strings(value: JSON) -> set[str]:
    return {each for each in value if isinstance(each, str)} if isinstance(value, list) else set()


def is_plain(schema: JSON) -> bool:
    """Whether every provider is known to accept a schema."""
    if not isinstance(schema, dict):
        return isinstance(schema, bool)
    if not schema.keys() <= PLAIN or isinstance(schema.get("type"), list):
        return False
    properties = schema.get("properties")
    by_name = properties if isinstance(properties, dict) else {}
    inner = [schema[name] for name in ("items", "additionalProperties") if name in schema]
    return all(PLAIN_NAME.match(name) for name in by_name) and all(
        is_plain(each) for each in (*by_name.values(), *inner)
    )
