"""Fills in arguments that a schema both requires and has a default for, as many servers write it.

Such a server accepts a call without them, although its own schema refuses it. They are filled in before a call is
checked, shown and hashed, so that exactly the call that was decided on runs.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import JSON, read_json

__all__ = ["has_defaults", "with_defaults"]

MAX_LEVELS = 10
"""Levels of nested objects that are filled in."""


def with_defaults(arguments: Mapping[str, JSON], schema: str) -> Mapping[str, JSON]:
    """The arguments, and the defaults of those that are required and missing; the same object where none is.

    Args:
        arguments: what a call was given.
        schema: the JSON schema of the tool's arguments, as text.
    """
    if not has_defaults(schema):
        return arguments
    try:
        parsed = read_json(schema)
    except BadJSON:
        return arguments
    return fill_defaults(arguments, parsed, MAX_LEVELS)


def has_defaults(schema: str) -> bool:
    """Whether a schema may require what it has a default for, by its text alone."""
    return '"default"' in schema and '"required"' in schema


def fill_defaults(arguments: Mapping[str, JSON], schema: JSON, levels: int) -> Mapping[str, JSON]:
    """An object by its own schema: references and alternatives are not followed."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(schema, dict) or not isinstance(properties, dict) or levels <= 0:
        return arguments
    required = schema.get("required")
    missing = (
        [name for name in required if isinstance(name, str) and name not in arguments]
        if isinstance(required, list)
        else []
    )
    filled: dict[str, JSON] = {}
    for name in missing:
        property_schema = properties.get(name)
        if isinstance(property_schema, dict) and "default" in property_schema:
            filled[name] = property_schema["default"]
    for name, value in arguments.items():
        if isinstance(value, dict) and name in properties:
            inner = fill_defaults(value, properties[name], levels - 1)
            if inner is not value:
                filled[name] = dict(inner)
    return {**arguments, **filled} if filled else arguments
