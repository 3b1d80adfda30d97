"""JSON schemas in words: the type of a value, its limits, and what it is if it is not given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["item", "type_words"]

PLAIN = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "table": "table",
}


def item(name: str, schema: Mapping[str, Any], sentence: str, *, note: str = "") -> str:
    """One line of a list: the name, what may stand there, and what it means. `note` stands for the default."""
    notes = [type_words(schema)]
    if note:
        notes.append(note)
    elif (default := default_words(schema.get("default"))) and default != "null":
        notes.append(f"default {default}")
    meaning = f": {full(sentence)}" if sentence else ""
    return f"- `{name}` ({'; '.join(notes)}){meaning}"


def full(words: str) -> str:
    """Words as a sentence; a value that stands first, before its colon, stays as it is."""
    start = words if re.match(r"\w+:", words) else words[0].upper() + words[1:]
    return start if start[-1] in ".!?…" else f"{start}."


def type_words(schema: Mapping[str, Any]) -> str:
    """The type of a value, with its limits."""
    if "enum" in schema:
        *others, last = (f"`{each}`" for each in schema["enum"])
        return f"{', '.join(others)} or {last}" if others else last
    if "const" in schema:
        return f"`{schema['const']}`"
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if alternatives := schema.get("anyOf"):
        return " or ".join(type_words(each) for each in alternatives)
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(type_words({**schema, "type": each}) for each in kind)  # pyright: ignore[reportUnknownVariableType]
    if kind == "array":
        return f"list of {type_words(schema.get('items', {}))}"
    if kind == "object" and isinstance(inner := schema.get("additionalProperties"), dict) and inner:
        return f"object of {type_words(inner)}"  # pyright: ignore[reportUnknownArgumentType]
    if kind == "null":
        return "null"
    return PLAIN.get(str(kind), "any JSON") + limits(schema)


def limits(schema: Mapping[str, Any]) -> str:
    """` from 1 to 50`, ` above 0`: what a number may be."""
    least, above, most = (schema.get(each) for each in ("minimum", "exclusiveMinimum", "maximum"))
    if least is not None and most is not None:
        return f" from {least:,.0f} to {most:,.0f}"
    words = [f"at least {least:,.0f}"] if least is not None else []
    words += [f"above {above:,.0f}"] if above is not None else []
    words += [f"at most {most:,.0f}"] if most is not None else []
    return f" {', '.join(words)}" if words else ""


def default_words(value: Any) -> str:
    """A default as it would be written; empty for one that is nothing."""
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case int() | float():
            return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"
        case str() if value:
            return f"`{value}`"
        case [*_] if value:
            return ", ".join(default_words(each) for each in value)  # pyright: ignore[reportUnknownVariableType]
        case _:
            return ""
