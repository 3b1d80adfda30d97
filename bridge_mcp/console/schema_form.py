"""A tool's arguments as a form: a field for each, by the tool's JSON schema, and back.

What a form cannot say (objects, mixed lists, texts with characters that browsers change) is a field of JSON. Whether
the arguments fit the schema is for the bridge to say, as for any caller; its complaint is shown beside the field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.console.visits import Form
from bridge_mcp.core.errors import BadInput, BadJSON
from bridge_mcp.core.json_reader import read_json
from bridge_mcp.core.safe_text import escaped, hidden
from bridge_mcp.core.tools import JSON

__all__ = ["Field", "field_of_complaint", "fields_of", "read_arguments", "with_complaint"]

Kind: TypeAlias = Literal["line", "text", "number", "switch", "choice", "lines", "json"]

MAX_FIELDS = 100
"""Fields of one form; a tool with more arguments has one field of JSON for all of them."""
LONG = 80
"""Characters from which on a text gets several lines."""


class Field(Struct, frozen=True):
    """One argument as a field. `value` is what the field holds; `given` tells whether the call has the argument."""

    name: str
    kind: Kind
    value: str
    given: bool = True
    required: bool = False
    about: str = ""
    choices: tuple[str, ...] = ()
    integer: bool = False
    """Of a number: whether it has to be an integer."""
    wrong: str = ""

    @property
    def rows(self) -> int:
        """How many lines it is high."""
        return max(3, min(18, self.value.count("\n") + len(self.value) // 90 + 2))


def fields_of(arguments: Mapping[str, JSON], schema: str) -> tuple[Field, ...]:
    """The fields for arguments, those of the schema first; none where no form can hold them."""
    parsed = read_schema(schema)
    properties = parsed.get("properties")
    kinds = properties if isinstance(properties, dict) else {}
    needed = parsed.get("required")
    required = frozenset(str(each) for each in needed) if isinstance(needed, list) else frozenset[str]()
    names = [*kinds, *(name for name in arguments if name not in kinds)]
    if len(names) > MAX_FIELDS or any(hidden(name) for name in names):  # browsers send such names as others
        return ()
    return tuple(field_for(name, kinds.get(name), arguments, required=name in required) for name in names)


def read_schema(schema: str) -> Mapping[str, JSON]:
    try:
        value = read_json(schema) if schema else {}
    except BadJSON:
        return {}
    return value if isinstance(value, dict) else {}


def field_for(name: str, part: JSON, arguments: Mapping[str, JSON], *, required: bool) -> Field:
    """The field of one argument."""
    says = part if isinstance(part, dict) else {}
    given = name in arguments
    value = arguments.get(name)
    kind, choices = kind_of(says, value, given=given)
    about = says.get("description") or says.get("title")
    field = Field(name, kind, text_of(kind, value, given=given), given=given, required=required, choices=choices)
    is_integer = says.get("type") == "integer"
    return replace(field, about=about[:400] if isinstance(about, str) else "", integer=is_integer)


def kind_of(says: Mapping[str, JSON], value: JSON, *, given: bool) -> tuple[Kind, tuple[str, ...]]:
    """Which field can hold this value, and any other that the schema allows; JSON where none can."""
    enum, kind = says.get("enum"), says.get("type")
    choices = tuple(each for each in enum if isinstance(each, str)) if isinstance(enum, list) else ()
    if choices and isinstance(enum, list) and len(choices) == len(enum):
        fits = not given or (isinstance(value, str) and value in choices and kept_by_browsers(value))
        return ("choice", choices) if fits else ("json", ())
    match kind:
        case "string" if not given or (isinstance(value, str) and kept_by_browsers(value)):
            long = isinstance(value, str) and ("\n" in value or len(value) > LONG)
            return ("text" if long else "line"), ()
        case "integer" | "number" if not given or (isinstance(value, int | float) and not isinstance(value, bool)):
            return "number", ()
        case "boolean" if not given or isinstance(value, bool):
            return "switch", ()
        case "array" if lines_of_texts(says) and (not given or all_lines(value)):
            return "lines", ()
        case _:
            return "json", ()


def kept_by_browsers(text: str) -> bool:
    """Whether a field gives a text back as it was: without characters that hide, and no odd line ends."""
    return "\r" not in text and not hidden(text) - {"\n", "\t"} and not text.startswith("\n")


def lines_of_texts(says: Mapping[str, JSON]) -> bool:
    items = says.get("items")
    return isinstance(items, dict) and items.get("type") == "string" and "enum" not in items


def all_lines(value: JSON) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, str) and each != "" and "\n" not in each and kept_by_browsers(each) for each in value
    )


def text_of(kind: Kind, value: JSON, *, given: bool) -> str:
    """What a field holds for a value."""
    if not given:
        return ""
    match kind, value:
        case (("line" | "text" | "choice"), str()):
            return value
        case "lines", list():
            return "\n".join(str(each) for each in value)
        case (("switch" | "number"), _):
            return json.dumps(value)
        case _:
            return escaped(json.dumps(value, indent=2, ensure_ascii=False))


def read_arguments(form: Form, fields: tuple[Field, ...]) -> tuple[dict[str, JSON], tuple[Field, ...]]:
    """The arguments that a form says, and its fields as they were filled in, each with what is wrong with it."""
    values: dict[str, JSON] = {}
    read: list[Field] = []
    for field in fields:
        text = form.get(f"a.{field.name}", field.value)
        filled = replace(field, value=text, wrong="")
        try:
            if not left_out(filled):
                values[field.name] = value_of(filled)
        except (BadInput, ValueError) as exc:
            filled = replace(filled, wrong=wrong_words(filled, exc))
        read.append(filled)
    return values, tuple(read)


def left_out(field: Field) -> bool:
    """Whether an empty field means no argument: where there was none, or where it cannot be empty."""
    if field.value.strip():
        return False
    return not field.given or field.kind not in ("line", "text", "lines", "choice")


def value_of(field: Field) -> JSON:
    """The value that a field says. Raises ValueError or BadInput where it says none."""
    match field.kind:
        case "number":
            return number_in(field.value, integer=field.integer)
        case "switch":
            return field.value == "true"
        case "lines":
            return [line for line in field.value.split("\n") if line]
        case "json":
            return read_json(field.value)
        case _:
            return field.value


def number_in(text: str, *, integer: bool) -> JSON:
    """The number that a text is. For JSON schema 1.0 is an integer too."""
    value = read_json(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(text)
    if integer and isinstance(value, float) and not value.is_integer():
        raise ValueError(text)
    return value


def wrong_words(field: Field, exc: Exception) -> str:
    if field.kind == "number":
        return "Write a whole number." if field.integer else "Write a number."
    return f"This is not JSON: {exc}"


NAMED = (
    re.compile(r"At '([^'/]+)[^']*': (.+)", re.DOTALL),
    re.compile(r'"([^"]+)" (is a required property.*)', re.DOTALL),
)


def field_of_complaint(complaint: str, fields: tuple[Field, ...]) -> str:
    """The name of the field that an error of the schema is about; "" for none."""
    names = {field.name for field in fields}
    for pattern in NAMED:
        match = pattern.search(complaint)
        if match and match[1] in names:
            return match[1]
    return ""


def with_complaint(fields: tuple[Field, ...], complaint: str) -> tuple[tuple[Field, ...], str]:
    """The fields with an error beside the one it is about, and the error where it is about none."""
    name = field_of_complaint(complaint, fields)
    if not name:
        return fields, complaint
    return tuple(replace(field, wrong=complaint) if field.name == name else field for field in fields), ""
