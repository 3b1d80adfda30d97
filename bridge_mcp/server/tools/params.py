"""What a tool's arguments may be: read once from its signature, told as a JSON schema, checked with a line per problem.

A parameter is a keyword of the tool's function, annotated with its type and, in `Annotated`, a description (a string)
and limits (`Between`, `AtMost`). Knows no tool and no protocol.

Models and hosts often bend the types: a number or a boolean as its text, a list or an object as its JSON text, an
argument of their own beside the tool's. What can be read in one way only is taken (`lenient_number` and its siblings);
a strict tool takes lists and objects as JSON text, and nothing else of that kind.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, cast, get_args, get_origin

from bridge_mcp.core.errors import BadInput, BadJSON
from bridge_mcp.core.json_reader import JSON, MAX_DEPTH, check_depth, read_json
from bridge_mcp.core.tools import MAX_ARGUMENTS

__all__ = ["AtMost", "Between", "Param", "check", "params_of", "schema_of"]

Schema: TypeAlias = "dict[str, JSON]"
REQUIRED: Final = inspect.Parameter.empty

MAX_WORD = 400
"""Characters of a text that has no `AtMost` of its own: an id, a name, a cursor."""

HOST_ARGUMENTS: Final = frozenset({"sessionId", "toolCallId", "action", "chatInput", "random_string"})
"""Arguments that hosts add to every call by themselves (n8n the first four, Cursor the last); they are passed over."""

NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,20})?")
"""A text that is one number and nothing else, written as JSON writes it."""


@dataclass(frozen=True, slots=True)
class Between:
    """The limits of a number, both included."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class AtMost:
    """The characters a text may have; None where the service has its own limit."""

    most: int | None


@dataclass(frozen=True, slots=True)
class Param:
    """One argument of a tool.

    `read` gives the value to pass on, or raises `Wrong`; `lenient` first turns a value of another type into the one
    that it can only mean.
    """

    name: str
    schema: Mapping[str, JSON]
    read: Callable[[object], object]
    default: object = REQUIRED
    lenient: Callable[[object], object] = lambda value: value


class Wrong(Exception):
    """What was expected instead, in words."""


def params_of(function: Callable[..., Any]) -> tuple[Param, ...]:
    """The parameters behind a tool function's first one."""
    _, *rest = inspect.signature(function).parameters.values()
    return tuple(param_of(each) for each in rest)


def schema_of(params: Sequence[Param]) -> Schema:
    """The JSON schema of an object with these arguments and no others."""
    schema: Schema = {"type": "object", "properties": {param.name: dict(param.schema) for param in params}}
    required: list[JSON] = [param.name for param in params if param.default is REQUIRED]
    if required:
        schema["required"] = required
    schema["additionalProperties"] = False
    return schema


def check(
    tool: str, params: Sequence[Param], given: Mapping[str, object], *, strict: bool = False
) -> dict[str, object]:
    """The arguments to pass on. An optional argument given as null is one that was not given.

    Args:
        tool: its name, for the error.
        params: what it takes.
        given: what the caller sent.
        strict: take no number, boolean or text written as another type, however plain: for tools that decide.

    Raises:
        BadInput: some do not fit; one line for each, which names it and what is expected.
    """
    values: dict[str, object] = {}
    problems: list[str] = []
    for param in params:
        value = given.get(param.name)
        if value is None and param.default is not REQUIRED:
            values[param.name] = param.default
        elif param.name not in given:
            problems.append(f"{param.name}: is missing")
        else:
            try:
                exact = strict and param.schema["type"] not in ("array", "object")
                values[param.name] = param.read(value if exact else param.lenient(value))
            except Wrong as wrong:
                problems.append(f"{param.name}: {wrong}")
    known = {param.name for param in params}
    unknown = [name for name, value in given.items() if name not in known and value is not None]
    problems += [f"{printable(name)}: there is no such argument" for name in unknown if name not in HOST_ARGUMENTS]
    if problems:
        names = ", ".join(param.name for param in params) or "none"
        raise BadInput(f"{tool} was not called:\n" + "\n".join(problems[:20]), fix=f"Its arguments are: {names}.")
    return values


# -- from annotations ----------------------------------------------------------------------------------------


def param_of(parameter: inspect.Parameter) -> Param:
    annotation: Any = parameter.annotation
    notes: tuple[object, ...] = ()
    if get_origin(annotation) is Annotated:
        annotation, *found = get_args(annotation)
        notes = tuple(found)
    try:
        schema, read = kind_of(annotation, notes)
        lenient = LENIENT[cast("str", schema["type"])]
    except LookupError:
        raise TypeError(f"{parameter.name}: no tool takes a {annotation}") from None
    described = " ".join(note for note in notes if isinstance(note, str))
    if described:
        schema["description"] = described
    default: object = parameter.default
    if isinstance(default, int | float | str) and default not in ("", False):
        schema["default"] = default
    return Param(parameter.name, schema, read, default=default, lenient=lenient)


def kind_of(annotation: Any, notes: tuple[object, ...]) -> tuple[Schema, Callable[[object], object]]:
    """The schema and the reader of one type; an optional one is read as the type it is when given."""
    if get_origin(annotation) in (Union, UnionType):
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        return one_of(get_args(annotation))
    if annotation is str:
        return text(notes)
    if annotation is bool:
        return {"type": "boolean"}, read_boolean
    if annotation in (int, float):
        return number(annotation, notes)
    if get_origin(annotation) is tuple:
        return texts(notes)
    if get_origin(annotation) is Mapping:
        if get_args(annotation)[1] is str:
            return {"type": "object", "additionalProperties": {"type": "string"}}, read_texts
        return {"type": "object"}, read_object
    raise LookupError


def text(notes: tuple[object, ...]) -> tuple[Schema, Callable[[object], object]]:
    most = next((note.most for note in notes if isinstance(note, AtMost)), MAX_WORD)

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise Wrong(f"expected a text, got {shown(value)}")
        if most is not None and len(value) > most:
            raise Wrong(f"has {len(value):,} characters; at most {most:,} are taken")
        return whole(value)

    return {"type": "string"}, read


def one_of(choices: tuple[str, ...]) -> tuple[Schema, Callable[[object], object]]:
    def read(value: object) -> str:
        if value not in choices:
            raise Wrong(f"expected one of {', '.join(choices)}; got {shown(value)}")
        return cast("str", value)

    return {"type": "string", "enum": list(choices)}, read


def number(kind: type[int] | type[float], notes: tuple[object, ...]) -> tuple[Schema, Callable[[object], object]]:
    limits = next((note for note in notes if isinstance(note, Between)), None)
    name = "a whole number" if kind is int else "a number"
    expected = f"{name} from {limits.least} to {limits.most}" if limits else name

    def read(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not within(value, limits):
            raise Wrong(f"expected {expected}, got {shown(value)}")
        if kind is int and value != int(value):
            raise Wrong(f"expected {expected}, got {shown(value)}")
        return kind(value)

    schema: Schema = {"type": "integer" if kind is int else "number"}
    return schema | ({"minimum": limits.least, "maximum": limits.most} if limits else {}), read


def within(value: float, limits: Between | None) -> bool:
    """Whether a number is one (JSON parsers let infinity and NaN through) and lies within its limits."""
    return limits.least <= value <= limits.most if limits else abs(value) <= 2**53


def read_boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"expected true or false, got {shown(value)}")
    return value


def texts(notes: tuple[object, ...]) -> tuple[Schema, Callable[[object], object]]:
    item, read_item = text(notes)

    def read(value: object) -> tuple[object, ...]:
        if not isinstance(value, list):
            raise Wrong(f'expected a list of texts, such as ["one", "two"]; got {shown(value)}')
        listed = cast("list[object]", value)
        if len(listed) > 100:
            raise Wrong(f"has {len(listed):,} items; at most 100 are taken")
        return tuple(read_item(each) for each in listed)

    return {"type": "array", "items": item}, read


def read_object(value: object) -> dict[str, JSON]:
    if not isinstance(value, dict):
        raise Wrong(f"expected an object, got {shown(value)}")
    try:
        written = whole(json.dumps(value, ensure_ascii=False, allow_nan=False))
        check_depth(written, MAX_DEPTH)
    except (RecursionError, BadJSON):
        raise Wrong(f"is nested too deep; at most {MAX_DEPTH} levels are taken") from None
    except ValueError:
        raise Wrong("holds a number that is infinite or not a number") from None
    if len(written) > MAX_ARGUMENTS:
        raise Wrong(f"has {len(written):,} characters as JSON; at most {MAX_ARGUMENTS:,} are taken")
    return cast("dict[str, JSON]", value)


def read_texts(value: object) -> dict[str, JSON]:
    """An object of texts, such as patterns by the name of what they are for."""
    found = read_object(value)
    for name, each in found.items():
        if not isinstance(each, str):
            raise Wrong(f"expected a text for '{printable(name)}', got {shown(each)}")
    return found


# -- values of another type that can only mean one thing -----------------------------------------------------


def lenient_number(value: object) -> object:
    """A text that is a number as JSON writes it: that number."""
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        return float(value) if "." in value else int(value)
    return value


def lenient_boolean(value: object) -> object:
    """`true` or `false` as a text, in capitals too: that boolean."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower(), value)
    return value


def lenient_text(value: object) -> object:
    """A whole number where a text is wanted: its digits. Other numbers can be written in more than one way."""
    if isinstance(value, int) and not isinstance(value, bool) and within(value, None):
        return str(value)
    return value


def lenient_json(value: object) -> object:
    """A list or an object as its JSON text: what that says."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return read_json(value, odd="keep")
        except BadJSON:
            return value
    return value


LENIENT: Final[Mapping[str, Callable[[object], object]]] = {
    "string": lenient_text,
    "boolean": lenient_boolean,
    "integer": lenient_number,
    "number": lenient_number,
    "array": lenient_json,
    "object": lenient_json,
}
"""By the type that a schema asks for."""


def whole(value: str) -> str:
    """The text, if it can be stored and sent."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as exc:
            raise Wrong(f"is not valid Unicode: half of a UTF-16 pair at character {exc.start}") from None
    return value


def shown(value: object) -> str:
    """A value in an error: what it is, and no more of it than helps."""
    match value:
        case str():
            return f"the text '{printable(value)}'" if len(value) <= 40 else f"a text of {len(value):,} characters"
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"{value:.6g}" if abs(value) <= 2**53 else "a number out of range"
        case list():
            return "a list"
        case _:
            return "an object"


def printable(value: str) -> str:
    """The start of a text, in characters that any log and any JSON parser takes."""
    start = value[:40]
    return start if start.isprintable() else start.encode("unicode_escape").decode()
